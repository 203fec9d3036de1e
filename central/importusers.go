package central

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

var hashForm = regexp.MustCompile(`^[A-Za-z0-9+/=.,_$-]+$`)

// What an import does about a user who is there already.
const (
	ExistingError  = "error"  // it is a fault of the row
	ExistingSkip   = "skip"   // the row is left out: so a broken import can be run again
	ExistingUpdate = "update" // the row's values are taken over, empty cells leave what is there
)

const importBatch = 200 // rows of one transaction, where not all of them are one

// ImportOptions say how a file is imported.
type ImportOptions struct {
	Organization int64
	Existing     string            // one of the above
	Continue     bool              // take the rows that are right; else one wrong row stops all
	DryRun       bool              // do everything but keep it
	Columns      map[string]string // what the file calls a column, and which field it is; empty: none
	// Progress is told how far a stage ("checking", "hashing passwords", "writing") is, one call at a time; it may be nil.
	Progress func(stage string, done, total int)
}

// ImportResult is what became of a file's rows.
type ImportResult struct {
	Created, Updated, Skipped int
	Faults                    []Fault

	table *table
}

// WrongRows is how many rows have faults.
func (r *ImportResult) WrongRows() int { return len(r.byLine()) }

func (r *ImportResult) byLine() map[int][]string {
	lines := make(map[int][]string)
	for _, f := range r.Faults {
		text := f.Problem
		if f.Column > 0 {
			text = fmt.Sprintf("column %d (%s): %s", f.Column, f.Field, f.Problem)
		}
		lines[f.Line] = append(lines[f.Line], text)
	}
	return lines
}

// WriteReport writes the rows that are wrong as a file that can be mended and imported: their columns, and before them the
// line they were in and what is wrong.
func (r *ImportResult) WriteReport(to io.Writer) error {
	if r.table == nil {
		return nil
	}
	w := csv.NewWriter(to)
	w.Comma = r.table.comma
	lines := r.byLine()
	list := [][]string{append([]string{"error_line", "error"}, r.table.names...)}
	for _, row := range r.table.rows {
		if wrong := lines[row.line]; wrong != nil {
			list = append(list, append([]string{strconv.Itoa(row.line), strings.Join(wrong, "; ")}, row.cells...))
		}
	}
	if err := w.WriteAll(list); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

// userFields are the columns of a file of users. They mean what the fields of the GATE API mean.
func userFields() []string {
	return []string{"username", "password", "password_hash", "email", "first_name", "last_name", "external_id", "klass",
		"description", "expiration", "is_active", "profile", "avatar_url"}
}

// userRow is a row that can be written.
type userRow struct {
	line     int
	fields   *fields
	username string
	password sessions.Password // to be hashed
	hash     *string
}

// ImportUsers makes users of a file's rows, by the rules of POST /api/v1/user/. Without Continue nothing is written when
// any row is wrong; then, too, the result says what is wrong, and the error is nil. A database or file that cannot be read
// is an error.
func ImportUsers(ctx context.Context, db *store.Store, in io.Reader, o ImportOptions) (ImportResult, error) {
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	var result ImportResult
	all, err := contracts()
	if err != nil {
		return result, err
	}
	t, err := readTable(in, userFields(), o.Columns)
	if err != nil {
		return result, err
	}
	if !slices.Contains(t.header, "username") {
		return result, errors.New("no column is username: rename one, or say --map COLUMN=username")
	}
	rows := t.userRows(o, all.operations[endpoint("POST", gate.BasePath+"/user/")])
	result.table, result.Faults = t, t.faults()
	if len(result.Faults) > 0 && !o.Continue {
		return result, nil
	}
	// Before the passwords, which take long, all is tried that can go wrong in the database.
	err = writeUsers(ctx, db, t, rows, o, &result, true)
	if err == nil && o.DryRun && (o.Continue || len(result.Faults) == 0) {
		return result, nil
	}
	result.Created, result.Updated, result.Skipped = 0, 0, 0
	if err != nil || len(result.Faults) > 0 && !o.Continue {
		return result, err
	}
	rows = without(rows, result.Faults)
	if err := hashAll(ctx, rows, o.Progress); err != nil {
		return result, err
	}
	err = writeUsers(ctx, db, t, rows, o, &result, false)
	return result, err
}

// without are the rows that have no fault.
func without(rows []*userRow, faults []Fault) []*userRow {
	wrong := make(map[int]bool)
	for _, f := range faults {
		wrong[f.Line] = true
	}
	return slices.DeleteFunc(rows, func(r *userRow) bool { return wrong[r.line] })
}

func (t *table) faults() []Fault {
	var list []Fault
	for _, r := range t.rows {
		list = append(list, r.faults...)
	}
	return list
}

// userRows checks every row by itself and against the others.
func (t *table) userRows(o ImportOptions, contract *operation) []*userRow {
	var list []*userRow
	lines := make(map[string]int) // by user name
	for i := range t.rows {
		r := &t.rows[i]
		if len(r.faults) == 0 {
			u := t.userRow(r, contract)
			if first, twice := lines[u.username]; twice && len(r.faults) == 0 {
				t.wrong(r, "username", fmt.Sprintf("%s is in line %d already", u.username, first))
			}
			if len(r.faults) == 0 {
				lines[u.username], list = r.line, append(list, u)
			}
		}
		o.Progress("checking", i+1, len(t.rows))
	}
	return list
}

func (t *table) userRow(r *row, o *operation) *userRow {
	u := &userRow{line: r.line, fields: &fields{raw: make(map[string]json.RawMessage), form: true, errs: make(map[string][]string)}}
	for _, field := range t.header {
		if v := t.cell(r, field); v != "" && field != "" && field != "password_hash" {
			u.fields.raw[field] = cellJSON(field, v)
		}
	}
	if _, err := o.hold(u.fields); err != nil {
		u.fields.wrong("username", err.Error())
	}
	if name := u.fields.text("username"); name != nil {
		u.username = *name
	}
	u.password = sessions.Password(t.cell(r, "password"))
	if hash := t.cell(r, "password_hash"); hash != "" {
		u.hash = &hash
		if err := t.checkHash(hash); err != nil {
			u.fields.wrong("password_hash", err.Error())
		}
		if u.password != "" {
			u.fields.wrong("password_hash", "there is a password too: leave one of them empty")
		}
	}
	for _, field := range userFields() {
		for _, problem := range u.fields.errs[field] {
			t.wrong(r, field, problem)
		}
	}
	return u
}

// checkHash checks one hash of each shape in full, which takes as long as a login, and of others that they have that shape.
func (t *table) checkHash(hash string) error {
	fields := strings.Split(hash, "$")
	for i := max(0, len(fields)-2); i < len(fields); i++ {
		if len(fields[i]) > 4 { // salt and key, not the cost
			fields[i] = strconv.Itoa(len(strings.Trim(fields[i], "=")))
		}
	}
	shape := strings.Join(fields, "$")
	if known, ok := t.hashes[shape]; ok && hashForm.MatchString(hash) {
		return known
	}
	err := CheckPasswordHash(hash)
	t.hashes[shape] = err
	return err
}

// cellJSON is a cell as the API would be given it: several profiles with commas, semicolons or spaces between them; a day
// alone as its last second.
func cellJSON(field, v string) json.RawMessage {
	var value any = v
	switch {
	case field == "profile":
		value = strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(",;| ", r) })
	case field == "expiration":
		if day, err := time.Parse(time.DateOnly, v); err == nil {
			value = day.AddDate(0, 0, 1).Add(-time.Second).Format(time.RFC3339)
		}
	}
	raw, _ := json.Marshal(value) // text always can be
	return raw
}

// hashAll hashes the passwords on all processors: one costs a tenth of a second and 19 MiB on purpose.
func hashAll(ctx context.Context, rows []*userRow, progress func(string, int, int)) error {
	var todo []*userRow
	for _, r := range rows {
		if r.password != "" {
			todo = append(todo, r)
		}
	}
	var mu sync.Mutex
	done := 0
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, r := range todo {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			hash, err := sessions.HashPassword(r.password)
			if err != nil {
				return fmt.Errorf("hashing password: %w", err)
			}
			r.hash = &hash
			mu.Lock()
			defer mu.Unlock()
			done++
			progress("hashing passwords", done, len(todo))
			return nil
		})
	}
	return g.Wait()
}

// writeUsers writes all rows in one transaction, or in batches where a wrong row does not stop the others. What only the
// database knows to be wrong becomes a fault.
func writeUsers(ctx context.Context, db *store.Store, t *table, rows []*userRow, o ImportOptions, result *ImportResult, try bool) error {
	stage, size := "writing", max(1, len(rows))
	if try {
		stage = "trying"
	}
	if o.Continue {
		size = importBatch
	}
	var done int
	for batch := range slices.Chunk(rows, size) {
		list := make([]store.UserImport, len(batch))
		for i, r := range batch {
			list[i] = store.UserImport{Username: r.username, Hash: r.hash, Change: func(u *gate.User) { setUser(r.fields, u) }}
		}
		outcomes, err := db.ImportUsers(ctx, o.Organization, list, store.ImportMode{
			Update: o.Existing == ExistingUpdate, Skip: o.Existing == ExistingSkip, Partly: o.Continue, Try: try})
		if err != nil {
			return err
		}
		for i, out := range outcomes {
			result.count(t, batch[i], out)
		}
		done += len(batch)
		o.Progress(stage, done, len(rows))
	}
	return nil
}

func (r *ImportResult) count(t *table, u *userRow, out store.ImportOutcome) {
	var unknown *store.UnknownProfileError
	var taken *store.DuplicateError
	var full *store.FullError
	fault := Fault{Line: u.line}
	switch {
	case errors.As(out.Err, &unknown):
		fault.Field, fault.Problem = "profile", fmt.Sprintf("Object with short_name=%s does not exist.", unknown.ShortName)
	case errors.As(out.Err, &taken):
		fault.Field, fault.Problem = "username", u.username+" is there already: say --existing skip or --existing update"
	case errors.As(out.Err, &full):
		fault.Field, fault.Problem = "username", fmt.Sprintf("The organisation has reached its limit of %d users.", full.Max)
	case out.Created:
		r.Created++
		return
	case out.Updated:
		r.Updated++
		return
	default:
		r.Skipped++
		return
	}
	fault.Column = slices.Index(t.header, fault.Field) + 1
	r.Faults = append(r.Faults, fault)
}
