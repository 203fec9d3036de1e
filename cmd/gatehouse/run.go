package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"gatehouse/config"
)

const defaultConfig = "/etc/gatehouse/gatehouse.toml"

func bindConfig(f *flag.FlagSet) *string {
	return f.String("config", defaultConfig, "`path` of the configuration, TOML")
}

func runVerb(step func(point string)) verb {
	return verb{
		name: "run", short: "be the daemon",
		detail: "Runs in the foreground and logs to standard error. SIGTERM and SIGINT stop it in order; SIGHUP does nothing: a\n" +
			"new configuration needs a restart, which no session notices.",
		bind: func(f *flag.FlagSet) action {
			path := bindConfig(f)
			return func(ctx context.Context, s streams, _ []string) error {
				c, err := loadConfig(*path)
				if err != nil {
					return err
				}
				tuneMemory()
				signal.Ignore(syscall.SIGHUP)
				ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
				defer stop()
				defer context.AfterFunc(ctx, stop)() // the second signal kills
				return daemon(ctx, daemonOptions{Config: c, Logger: newLogger(s.err, c.LogLevel), Step: step})
			}
		},
	}
}

// loadConfig reads the configuration; the error names the file, and all that is wrong with it.
func loadConfig(path string) (*config.Config, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "" // then the file must name the gateway
	}
	c, err := config.Load(path, host)
	var problems config.Problems
	if errors.As(err, &problems) {
		return nil, fmt.Errorf("%s is wrong:\n%w", path, problems)
	}
	return c, err
}
