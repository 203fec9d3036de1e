package config

import "strings"

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Key   string `json:"key"`   // path of the key, as in zone[guest].session_timeout; empty when it is the file itself
	Wrong string `json:"wrong"` // what is wrong
	Mend  string `json:"mend"`  // what to do about it
}

// Error is the problem in one line.
func (p Problem) Error() string {
	line := p.Wrong + "; " + p.Mend
	if p.Key == "" {
		return line
	}
	return p.Key + ": " + line
}

// Problems are all that is wrong with a configuration, roughly in the order of reference.toml.
type Problems []Problem

// Error has one line per problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

func (ps *Problems) add(key, wrong, mend string) {
	*ps = append(*ps, Problem{Key: key, Wrong: wrong, Mend: mend})
}
