package isolate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// install makes the kernel isolate what is there now, without a moment in which a station could slip through: first comes
// what closes, then what opens. What cannot be done is told.
func (i *Isolator) install(ctx context.Context) {
	err := i.tryInstall(ctx)
	if err != nil {
		i.cfg.Logger.Error("isolating stations", "err", err)
	}
	for _, s := range i.segments {
		if m := s.mechanism(); m != s.told {
			s.told = m
			i.cfg.Logger.Log(ctx, s.level(), "isolation", "zone", m.Zone, "interface", m.Interface, "mechanism", string(m.Kind), "why", m.Why)
		}
	}
}

// level is that of a warning where a zone is not what its operator wants.
func (s *segment) level() slog.Level {
	if s.bridge != 0 && (s.kind == None || s.kind == Ports && s.zone.exceptions()) {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func (i *Isolator) tryInstall(ctx context.Context) error {
	ports, err := i.allPorts()
	if err != nil {
		return err
	}
	for _, s := range i.segments {
		if err := errors.Join(i.look(s), i.lookPorts(s, ports)); err != nil {
			return err
		}
	}
	const attempts = 3 // the best, without rules, without flags
	for range attempts {
		i.choose()
		if err = i.isolatePorts(ports); errors.Is(err, errNoFlag) {
			i.noFlag = true
			continue
		}
		loadErr := i.load(ctx)
		if loadErr == nil {
			break
		}
		i.noTable = loadErr
	}
	return errors.Join(err, i.releaseOthers(ports))
}

// choose decides how each segment is isolated.
func (i *Isolator) choose() {
	for _, s := range i.segments {
		flags, shared := s.vlan == 0 && !i.noFlag, len(i.on(s.bridge)) > 1
		switch {
		case !s.zone.Isolated:
			s.kind, s.why = Off, "the zone says isolation = false"
		case s.bridge == 0:
			s.kind = None // look has said why
		case i.noTable == nil && (s.zone.exceptions() || !flags || shared):
			s.kind, s.why = Table, s.whyTable(i.noFlag)
		case flags:
			s.kind, s.why = Ports, fmt.Sprintf("every port of %s is isolated", s.name)
			if s.zone.exceptions() {
				s.why += fmt.Sprintf("; shared_devices and casting do not work, because there can be no rules between ports: %v", i.noTable)
			}
		default:
			s.kind, s.why = None, fmt.Sprintf("there can be no rules between ports: %v", i.noTable)
		}
	}
}

func (s *segment) whyTable(noFlag bool) string {
	switch {
	case s.zone.exceptions():
		return fmt.Sprintf("rules between the ports of %s, because the zone has exceptions", s.name)
	case noFlag:
		return fmt.Sprintf("rules between the ports of %s: %v", s.name, errNoFlag)
	}
	return fmt.Sprintf("rules between the ports, because %s is not all of its bridge", s.name)
}

// on are the segments of a bridge.
func (i *Isolator) on(bridge int) []*segment {
	var out []*segment
	for _, s := range i.segments {
		if s.bridge != 0 && s.bridge == bridge {
			out = append(out, s)
		}
	}
	return out
}

// wantsFlag tells whether a port is to be isolated.
func (i *Isolator) wantsFlag(p port) bool {
	return slices.ContainsFunc(i.on(p.bridge), func(s *segment) bool { return s.kind == Ports })
}

func (i *Isolator) isolatePorts(ports []port) error {
	var errs []error
	for _, p := range ports {
		if i.wantsFlag(p) {
			errs = append(errs, i.isolate(p))
		}
	}
	return errors.Join(errs...)
}

// releaseOthers takes the flag back from all ports that need it no more.
func (i *Isolator) releaseOthers(ports []port) error {
	marked, err := i.marked()
	errs := []error{err}
	for _, index := range marked {
		if !slices.ContainsFunc(ports, func(p port) bool { return p.index == index && i.wantsFlag(p) }) {
			errs = append(errs, i.release(index))
		}
	}
	return errors.Join(errs...)
}

// load makes the table what the segments need.
func (i *Isolator) load(ctx context.Context) error {
	if !slices.ContainsFunc(i.segments, func(s *segment) bool { return s.kind == Table }) {
		i.installed = ""
		return i.nft.Remove()
	}
	rules := i.rules()
	if rules == i.installed {
		return nil
	}
	text, err := i.text(rules)
	if err == nil {
		err = i.nft.Load(ctx, text)
	}
	if err == nil {
		i.parts, err = i.nft.Parts()
	}
	if err != nil {
		return err
	}
	i.installed = rules
	return nil
}

// restore puts the table back when a part of it is missing.
func (i *Isolator) restore(ctx context.Context) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.installed == "" {
		return
	}
	now, err := i.nft.Parts()
	if err == nil && !slices.ContainsFunc(i.parts, func(part string) bool { return !slices.Contains(now, part) }) {
		return
	}
	i.cfg.Logger.Warn("restoring the rules of isolation", "why", "somebody removed them")
	i.installed = ""
	i.install(ctx)
}

// hasSet tells whether the table has a set.
func (i *Isolator) hasSet(name string) bool { return strings.Contains(i.installed, "\tset "+name+" {") }
