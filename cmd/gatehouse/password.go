package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"gatehouse/admin"
	"gatehouse/sessions"
)

// passwordFlags say where a password comes from. It never comes from the command line, which every process can read.
type passwordFlags struct {
	stdin, generate bool
	made            sessions.Password
}

func bindPassword(f *flag.FlagSet) *passwordFlags {
	p := &passwordFlags{}
	f.BoolVar(&p.stdin, "password-stdin", false, "read the password as one line from standard input")
	f.BoolVar(&p.generate, "generate", false, "make up a password and print it once")
	return p
}

func (p *passwordFlags) read(s streams) (sessions.Password, error) {
	terminal, isTerminal := s.in.(*os.File)
	if isTerminal {
		_, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		isTerminal = err == nil
	}
	switch {
	case p.stdin && p.generate:
		return "", &usageError{"--password-stdin and --generate exclude one another"}
	case p.generate:
		p.made = generate()
		return p.made, nil
	case p.stdin:
		return readLine(bufio.NewReader(s.in))
	case isTerminal:
		return prompt(terminal, s.err)
	default:
		return "", &usageError{"standard input is no terminal: give --password-stdin or --generate"}
	}
}

// tell shows the account, and the password where it was made up.
func (p *passwordFlags) tell(c *clientFlags, s streams, a admin.Account) error {
	told := struct {
		admin.Account
		Password string `json:"password,omitempty"` // only when it was made up
	}{Account: a}
	if p.generate {
		told.Password = string(p.made)
	}
	return c.show(s.out, told, func(w io.Writer) {
		fmt.Fprintf(w, "account %s is ready\n", plain(a.Username))
		if p.generate {
			fmt.Fprintf(w, "password: %s\n", told.Password)
		}
	})
}

// generate makes a password of 60 random bits from letters and digits that cannot be taken for one another.
func generate() sessions.Password {
	const alphabet = "abcdefghijkmnpqrstuvwxyz23456789" // 32: five bits of a byte choose one
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return sessions.Password(b)
}

func readLine(r *bufio.Reader) (sessions.Password, error) {
	line, err := r.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading password: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("no password was given")
	}
	return sessions.Password(line), nil
}

// prompt asks twice, without showing what is typed.
func prompt(terminal *os.File, w io.Writer) (sessions.Password, error) {
	fd := int(terminal.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", fmt.Errorf("reading terminal settings: %w", err)
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return "", fmt.Errorf("switching the echo off: %w", err)
	}
	defer func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }() // nothing else can be done about it
	r := bufio.NewReader(terminal)
	var typed [2]sessions.Password
	for i, question := range []string{"Password: ", "Again: "} {
		fmt.Fprint(w, question)
		typed[i], err = readLine(r)
		fmt.Fprintln(w)
		if err != nil {
			return "", err
		}
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two are not the same")
	}
	return typed[0], nil
}
