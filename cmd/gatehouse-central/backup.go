package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gatehouse/central/store"
)

func backup(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("backup")
	to := f.String("to", "", "")
	if err := f.parse(args, "to"); err != nil {
		return err
	}
	path, err := filepath.Abs(*to)
	if err != nil {
		return err
	}
	if err := store.Backup(ctx, *f.database, path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d bytes\n", path, info.Size())
	return nil
}

func restore(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("restore")
	from := f.String("from", "", "")
	if err := f.parse(args, "from"); err != nil {
		return err
	}
	path, err := filepath.Abs(*from)
	if err != nil {
		return err
	}
	if err := store.Restore(ctx, *f.database, path); err != nil {
		return err
	}
	fmt.Fprintln(out, "restored; every gateway reads its accounts anew, and what was accounted after the copy was made is not there")
	return nil
}
