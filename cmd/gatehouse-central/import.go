package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"gatehouse/central"
	"gatehouse/central/seal"
	"gatehouse/central/store"
)

const faultsShown = 20 // of which the rest is in the report

// columns is the flag --map COLUMN=FIELD, which may be given several times.
type columns map[string]string

// String implements flag.Value.
func (c columns) String() string { return "" }

// Set implements flag.Value.
func (c columns) Set(v string) error {
	column, field, ok := strings.Cut(v, "=")
	if !ok || column == "" {
		return errors.New("want COLUMN=FIELD, or COLUMN= to leave the column out")
	}
	c[column] = field
	return nil
}

// importer reads one kind of file.
type importer func(context.Context, *store.Store, io.Reader, central.ImportOptions) (central.ImportResult, error)

func importUsers(ctx context.Context, args []string, out io.Writer) error {
	return importFile(ctx, newFlags("import users"), args, out, central.ImportUsers, "org")
}

func importVouchers(ctx context.Context, args []string, out io.Writer) error {
	f := newFlags("import vouchers")
	var v central.VoucherImport
	f.StringVar(&v.Plan, "plan", "", "")
	f.StringVar(&v.Note, "note", "", "")
	secrets := f.String("secrets-key", "", "")
	read := func(ctx context.Context, db *store.Store, in io.Reader, o central.ImportOptions) (result central.ImportResult, err error) {
		if v.Secrets, err = seal.Load(*secrets, os.Getenv(seal.Variable)); err != nil {
			return result, err
		}
		return v.ImportVouchers(ctx, db, in, o)
	}
	return importFile(ctx, f, args, out, read, "org", "plan")
}

func importFile(ctx context.Context, f flags, args []string, out io.Writer, read importer, needed ...string) error {
	o := central.ImportOptions{Columns: make(columns)}
	org, report := f.String("org", "", ""), f.String("report", "", "")
	f.StringVar(&o.Existing, "existing", central.ExistingError, "")
	f.BoolVar(&o.Continue, "continue", false, "")
	f.BoolVar(&o.DryRun, "dry-run", false, "")
	f.Var(columns(o.Columns), "map", "")
	if err := f.parseWith(args, 1, needed...); err != nil {
		return err
	}
	if !slices.Contains([]string{central.ExistingError, central.ExistingSkip, central.ExistingUpdate}, o.Existing) {
		return fmt.Errorf("%w: --existing %s is none of error, skip and update", errUsage, o.Existing)
	}
	in, err := openInput(f.FlagSet)
	if err != nil {
		return err
	}
	defer in.Close()
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if o.Organization, err = organizationID(ctx, db, *org); err != nil {
		return err
	}
	bar := newProgress()
	o.Progress = bar.show
	result, err := read(ctx, db, in, o)
	bar.end()
	if err != nil && result.Created+result.Updated > 0 {
		fmt.Fprintf(out, "written before that: %d made, %d changed; run it again with --existing skip to go on\n", result.Created, result.Updated)
	}
	if err != nil {
		return err
	}
	return tellResult(out, result, o, *report)
}

// openInput opens the file that is the only operand; - is standard input.
func openInput(f *flag.FlagSet) (io.ReadCloser, error) {
	if f.Arg(0) == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	return os.Open(f.Arg(0))
}

func tellResult(out io.Writer, result central.ImportResult, o central.ImportOptions, report string) error {
	wrong := len(result.Faults)
	for _, fault := range result.Faults[:min(faultsShown, wrong)] {
		fmt.Fprintln(out, fault.Error())
	}
	if wrong > faultsShown {
		fmt.Fprintf(out, "and %d more\n", wrong-faultsShown)
	}
	if report != "" {
		if err := writeReport(report, result); err != nil {
			return err
		}
	}
	made := "made"
	if o.DryRun {
		made = "would be made"
	}
	if wrong == 0 || o.Continue {
		fmt.Fprintf(out, "%d %s, %d changed, %d left as they are, %d rows wrong\n", result.Created, made, result.Updated, result.Skipped, result.WrongRows())
	}
	switch {
	case wrong == 0:
		return nil
	case o.Continue:
		return fmt.Errorf("%d rows are wrong: mend them in the file of --report and import that", result.WrongRows())
	}
	return fmt.Errorf("%d rows are wrong and nothing was imported: mend them, or say --continue", result.WrongRows())
}

func writeReport(path string, result central.ImportResult) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) // it has the rows' passwords
	if err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return errors.Join(result.WriteReport(file), file.Close())
}

// progress is a bar per stage on standard error, where that is a terminal.
type progress struct {
	terminal bool
	stage    string
	bar      *progressbar.ProgressBar
}

func newProgress() *progress { return &progress{terminal: term.IsTerminal(int(os.Stderr.Fd()))} }

func (p *progress) show(stage string, done, total int) {
	if !p.terminal {
		return
	}
	if stage != p.stage {
		p.end()
		p.stage = stage
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(stage),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond))
	}
	_ = p.bar.Set(done) // a bar that cannot be drawn stops nothing
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
		fmt.Fprintln(os.Stderr)
	}
	p.stage, p.bar = "", nil
}
