package postgres

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/google/uuid"

	"gatehouse/lab"
)

// The environment by which a package's tests are told to run on PostgreSQL, and by which Main tells them where it is.
const (
	storeVariable = "GATEHOUSE_STORE"
	urlVariable   = "GATEHOUSE_POSTGRES_DIR"
)

func lockThread() { runtime.LockOSThread() }

// Main runs the tests of a package, beside a PostgreSQL when GATEHOUSE_STORE is postgres. Call it from TestMain.
func Main(m *testing.M) int {
	if os.Getenv(storeVariable) != "postgres" {
		return m.Run()
	}
	s, err := Start()
	if err == nil {
		err = os.Setenv(urlVariable, s.dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Database makes an empty database for the test and returns its URL; an empty URL where the tests do not run on PostgreSQL.
// The database is gone when the test ends.
func Database(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(urlVariable)
	if dir == "" {
		return ""
	}
	s := &Server{dir: dir}
	name := "t_" + uuid.NewString()[:13]
	if err := s.Run(t.Context(), `CREATE DATABASE "`+name+`"`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Run(context.Background(), `DROP DATABASE "`+name+`" WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	})
	return s.URL(name)
}

// Require starts a server of the test's own, which the test may kill. Where there is no PostgreSQL it skips the test, and
// fails it where CI is set. It records the test as lab.RequireKernel does.
func Require(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := Start(settings...)
	lab.Require(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
