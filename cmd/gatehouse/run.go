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
				c, err := loadConfig(*path, nil)
				if err != nil {
					return err
				}
				tuneMemory()
				signal.Ignore(syscall.SIGHUP)
				ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
				defer stop()
				defer context.AfterFunc(ctx, stop)() // the second signal kills
				o := daemonOptions{Config: c, File: *path, Settings: &settings{}, Logger: newLogger(s.err, c.LogLevel), Step: step}
				if c.Centre == nil {
					return daemon(ctx, o)
				}
				return governed(ctx, o)
			}
		},
	}
}

// governed is the daemon with what the centre has set on top of the file, from one setting to the next.
func governed(ctx context.Context, o daemonOptions) (err error) {
	own := o.Config
	if o.Settings, err = loadSettings(own.StateDir); err != nil {
		return err
	}
	if _, err := o.Settings.goBack(errTrial); err != nil {
		return err
	}
	for {
		if o.Config, err = loadConfig(o.File, config.Settings(o.Settings.Good)); err != nil {
			o.Logger.Warn("the centre's settings do not fit the file, and wait until they do", "error", err)
			o.Config = own
		}
		o.Undressed = loadBranding(own.StateDir).dress(o.Config)
		err := daemon(ctx, o)
		if errors.Is(err, errReconfigured) {
			continue
		}
		if back, saving := o.Settings.goBack(err); err == nil || !back {
			return errors.Join(err, saving)
		}
		o.Logger.Error("the gateway does not come up with the centre's settings; back to the last good ones", "error", err)
	}
}

// errTrial is why settings are not in use that an earlier process wanted to begin with.
var errTrial = errors.New("the gateway went down before it had come up with them; set them again")

// loadConfig reads the configuration with the centre's settings on top; the error names the file, and all that is wrong
// with it.
func loadConfig(path string, centre config.Settings) (*config.Config, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "" // then the file must name the gateway
	}
	c, err := config.LoadWith(path, host, centre)
	var problems config.Problems
	if errors.As(err, &problems) {
		return nil, fmt.Errorf("%s is wrong:\n%w", path, problems)
	}
	return c, err
}
