(() => {
	// A box of one name takes the focus once: on the one that is chosen, else on the first.
	const radios = new Set();
	window.gatehouseStops = [...document.querySelectorAll("a[href],button,input,select,textarea,summary")].filter(e => {
		if (e.disabled || e.type === "hidden" || !e.checkVisibility({visibilityProperty: true})) return false;
		if (e.type !== "radio") return true;
		const chosen = document.querySelector(`input[type=radio][name="${e.name}"]:checked`);
		if (chosen ? chosen !== e : radios.has(e.name)) return false;
		radios.add(e.name);
		return true;
	});
	// From the top of the page, wherever the focus was.
	document.body.tabIndex = -1;
	document.body.focus();
	document.body.removeAttribute("tabindex");
	return gatehouseStops.length;
})()
