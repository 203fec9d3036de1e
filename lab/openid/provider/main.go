package main

import (
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

func main() {
	if len(os.Args) != 4 && len(os.Args) != 6 {
		log.Fatal("usage: provider ISSUER ADDR REDIRECT_URI [CERTIFICATE KEY]")
	}
	issuer, addr, redirect := os.Args[1], os.Args[2], os.Args[3]
	storage.RegisterClients(storage.WebClient("web", "secret", redirect), storage.WebClient("api", "secret", redirect))
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	op := exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer+":")), logger, false)
	server := &http.Server{Addr: addr, Handler: op, ReadHeaderTimeout: 10 * time.Second}
	if len(os.Args) == 6 {
		log.Fatal(server.ListenAndServeTLS(os.Args[4], os.Args[5]))
	}
	log.Fatal(server.ListenAndServe())
}
