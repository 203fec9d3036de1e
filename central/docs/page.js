window.onload = function () {
  SwaggerUIBundle({
    dom_id: "#ui",
    urls: ["gate", "tokens", "admin", "edge"].map(function (name) {
      return { name: name, url: "/api/openapi/" + name + ".json" };
    }),
    deepLinking: true,
    docExpansion: "none",
    filter: true,
    validatorUrl: null,
    layout: "StandaloneLayout",
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  });
};
