package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"gatehouse/config"
)

// settingsFile is, below the state folder, what the centre has set.
const settingsFile = "settings.json"

// maxReason is the longest text, in octets, by which settings are refused.
const maxReason = 1000

// settings are what the centre has set, on top of the file. The last that served is kept until the next one serves.
type settings struct {
	path string
	mu   sync.Mutex

	said
}

type said struct {
	Version int64           `json:"version"`         // of the last that was looked at
	Refused string          `json:"refused"`         // why those are not in use; empty: they are
	Good    json.RawMessage `json:"good"`            // in use
	Before  json.RawMessage `json:"before"`          // in use if Good turns out not to serve
	Trial   bool            `json:"trial,omitempty"` // Good has not served yet
}

// loadSettings reads what the centre has set. A file that cannot be read is as good as none: the feed brings it again.
func loadSettings(stateDir string) (*settings, error) {
	s := &settings{path: filepath.Join(stateDir, settingsFile)}
	raw, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("reading the centre's settings: %w", err)
	}
	if err := json.Unmarshal(raw, &s.said); err != nil {
		s.said = said{}
	}
	return s, nil
}

// save writes them so that a power cut leaves the old or the new. The caller holds mu.
func (s *settings) save() error {
	raw, err := json.Marshal(s.said)
	if err != nil {
		return fmt.Errorf("writing the centre's settings: %w", err)
	}
	if err := replaceFile(s.path, raw); err != nil {
		return fmt.Errorf("writing the centre's settings: %w", err)
	}
	return nil
}

// replaceFile puts a file with this content, for its owner alone, in the place of path.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// take looks at new settings. fresh tells that they are right and not those in use: the daemon has to begin anew with them.
func (s *settings) take(file string, version int64, next json.RawMessage) (fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version == s.Version {
		return false, nil
	}
	was := s.said
	s.Version, s.Refused = version, ""
	if _, err := loadConfig(file, config.Settings(next)); err != nil {
		s.refuse(err)
	} else if fresh = string(next) != string(s.Good); fresh {
		s.Good, s.Before, s.Trial = next, s.Good, true
	}
	if err := s.save(); err != nil {
		s.said = was
		return false, err
	}
	return fresh, nil
}

// looked is the version that was looked at last, and why it is not in use; 0 while it is not known yet whether it serves.
func (s *settings) looked() (version int64, refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Trial {
		return 0, ""
	}
	return s.Version, s.Refused
}

func (s *settings) refuse(why error) {
	s.Refused = why.Error()
	if len(s.Refused) > maxReason {
		s.Refused = s.Refused[:maxReason]
	}
}

// serves notes that the daemon runs with them.
func (s *settings) serves() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Trial {
		return nil
	}
	s.Trial, s.Before = false, nil
	return s.save()
}

// goBack gives up settings that do not serve for those before; false when there is nothing to go back from.
func (s *settings) goBack(why error) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Trial || why == nil {
		return false, nil
	}
	s.refuse(why)
	s.Good, s.Before, s.Trial = s.Before, nil, false
	return true, s.save()
}
