package nftables

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// ErrMarks says that another program uses mark bits of ours (Mask). Its text names table, chain and rule, or
// the routing rule.
var ErrMarks = errors.New("another program's firewall rule uses mark bits of gatehouse")

const everyBit = 0xffffffff

// others are other people's rules, as far as they matter to ours.
type others struct {
	marks    bool  // some of them use marks
	conflict error // ErrMarks or ErrOffload, with the place; nil: there is none
}

// lookAtOthers looks for rules of others that use our bits of the packet mark or the conntrack mark, or that write the whole
// mark, and for flow offload. Of iptables' rules it only learns that they use marks.
func (f *Firewall) lookAtOthers(ctx context.Context) (o others, err error) {
	out, err := f.nft(ctx, "", "-j", "-t", "list", "ruleset")
	if err != nil {
		return o, fmt.Errorf("listing the ruleset: %w", err)
	}
	var all listing
	if err := json.Unmarshal(out, &all); err != nil {
		return o, fmt.Errorf("reading the list of rules: %w", err)
	}
	routing, err := routingMarks()
	if err != nil {
		return o, err
	}
	o.marks = all.useMarks() || hasLegacyMangle()
	if o.conflict = cmp.Or(all.foreignMarks(), routing); o.conflict == nil {
		o.conflict, err = f.checkOffload(&all)
	}
	return o, err
}

// mindOthers chooses the form of our rules by other people's, and tells whether it is another one than before. A conflict is an
// error only before there are rules of ours: later they would be missed more.
func (f *Firewall) mindOthers(ctx context.Context) (changed bool, err error) {
	o, err := f.lookAtOthers(ctx)
	if err != nil {
		return false, err
	}
	if o.conflict != nil && f.installed == nil {
		return false, o.conflict
	}
	f.tell(o.conflict)
	changed, f.early = f.early != o.marks, o.marks
	return changed, nil
}

// tell logs a conflict, once.
func (f *Firewall) tell(conflict error) {
	text := ""
	if conflict != nil {
		text = conflict.Error()
	}
	switch {
	case text == f.told:
	case text == "":
		f.cfg.Logger.Info("the conflict with another program's rules is over")
	default:
		f.cfg.Logger.Error("another program's rules are in conflict with gatehouse's", slog.Any("error", conflict))
	}
	f.told = text
}

// haveChanged looks what other programs' changes mean, and tells whether ours must be made anew.
func (f *Firewall) haveChanged(ctx context.Context) (anew bool) {
	o, err := f.lookAtOthers(ctx)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		f.cfg.Logger.Warn("looking at other programs' rules", slog.Any("error", err))
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		return false
	}
	f.tell(o.conflict)
	return o.marks && !f.early
}

// listing is what nft lists.
type listing struct {
	Nftables []struct {
		Chain     *listedChain     `json:"chain"`
		Rule      *listedRule      `json:"rule"`
		Flowtable *listedFlowtable `json:"flowtable"`
	} `json:"nftables"`
}

// useMarks tells whether a rule of somebody else reads or writes a mark.
func (listing *listing) useMarks() bool {
	for _, o := range listing.Nftables {
		if o.Rule == nil || o.Rule.Table == tableName {
			continue
		}
		for _, statement := range o.Rule.Expr {
			if mentionsMark(statement) {
				return true
			}
		}
	}
	return false
}

// mentionsMark looks for a mark, or an extension of iptables that has to do with it, in an expression.
func mentionsMark(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, mentionsMark)
	case string: // a statement that nft has no JSON for
		return strings.Contains(v, "mark")
	case map[string]any:
		name, _ := object(v, "xt")["name"].(string)
		if markKind(v) != "" || strings.Contains(strings.ToLower(name), "mark") {
			return true
		}
		for _, inner := range v {
			if _, isName := inner.(string); !isName && mentionsMark(inner) {
				return true
			}
		}
	}
	return false
}

// foreignMarks finds the rules that use our bits.
func (listing *listing) foreignMarks() error {
	hooks := map[[3]string]string{}
	for _, o := range listing.Nftables {
		if c := o.Chain; c != nil {
			hooks[[3]string{c.Family, c.Table, c.Name}] = c.Hook
		}
	}
	var first error
	more := 0
	for _, o := range listing.Nftables {
		r := o.Rule
		if r == nil || r.Table == tableName {
			continue
		}
		if bits := r.markBits(hooks[[3]string{r.Family, r.Table, r.Chain}]) & Mask; bits != 0 {
			if first != nil {
				more++
				continue
			}
			first = fmt.Errorf("%w: table %s %s, chain %s, rule with handle %d, bits 0x%x (ours are 0x%x)",
				ErrMarks, r.Family, r.Table, r.Chain, r.Handle, bits, uint32(Mask))
		}
	}
	if more > 0 {
		return fmt.Errorf("%w, and %d rules more", first, more)
	}
	return first
}

type listedChain struct{ Family, Table, Name, Hook string }

type listedRule struct {
	Family, Table, Chain string
	Handle               int
	Expr                 []any // objects; strings where nft knows no JSON for a statement
}

// markBits are the bits of marks that a rule reads or writes. hook is that of its chain, empty where others call it.
func (r *listedRule) markBits(hook string) (bits uint32) {
	for _, statement := range r.Expr {
		if m := object(statement, "mangle"); m != nil {
			if key := markKind(m["key"]); key != "" && (key == "ct" || !afterUs(hook)) {
				bits |= written(m["value"], key)
			}
		}
		if hook == "output" { // what the router sends by itself never has a mark of ours
			continue
		}
		if m := object(statement, "match"); m != nil {
			bits |= compared(m["left"], m["right"])
		}
		if m := object(statement, "vmap"); m != nil {
			bits |= compared(m["key"], m["data"])
		}
	}
	return bits
}

// afterUs tells whether what a base chain writes into the packet mark comes too late for a station's packet to meet us.
func afterUs(hook string) bool {
	return hook == "input" || hook == "output" || hook == "postrouting" || hook == "egress"
}

// compared are the bits of a mark that a comparison depends on: those of its mask, or else those of its constants.
func compared(left, right any) uint32 {
	if markKind(left) != "" {
		return constants(right)
	}
	if operands := operandsOf(left, "&"); operands != nil && markKind(operands[0]) != "" {
		return constants(operands[1])
	}
	return 0
}

// constants are the bits of all numbers in an expression: of sets their elements, of maps their keys.
func constants(v any) (bits uint32) {
	switch v := v.(type) {
	case float64:
		return uint32(v)
	case []any:
		for _, e := range v {
			bits |= constants(e)
		}
	case map[string]any:
		for _, kind := range []string{"set", "range", "elem", "val"} {
			bits |= constants(v[kind])
		}
	}
	return bits
}

// written are the bits of a mark of a kind that may change when it is set to v.
func written(v any, kind string) (bits uint32) {
	if markKind(v) == kind {
		return 0
	}
	if operands := operandsOf(v, "&"); operands != nil {
		if mask, ok := operands[1].(float64); ok {
			return written(operands[0], kind) | ^uint32(mask)
		}
	}
	for _, op := range []string{"|", "^"} {
		operands := operandsOf(v, op)
		if operands == nil || !touches(operands[0], kind) {
			continue
		}
		return written(operands[0], kind) | added(operands[1])
	}
	return everyBit
}

// touches tells whether an expression starts from the mark itself.
func touches(v any, kind string) bool {
	for _, op := range []string{"&", "|", "^"} {
		if operands := operandsOf(v, op); operands != nil {
			return touches(operands[0], kind)
		}
	}
	return markKind(v) == kind
}

// added are the bits that an operand of | or ^ can change.
func added(v any) uint32 {
	if n, ok := v.(float64); ok {
		return uint32(n)
	}
	if operands := operandsOf(v, "&"); operands != nil {
		if mask, ok := operands[1].(float64); ok {
			return uint32(mask)
		}
	}
	return everyBit
}

// markKind is "meta" for the packet mark, "ct" for the conntrack mark, and empty for anything else.
func markKind(v any) string {
	for _, kind := range []string{"meta", "ct"} {
		if o := object(v, kind); o != nil && o["key"] == "mark" {
			return kind
		}
	}
	return ""
}

func object(v any, key string) map[string]any {
	m, _ := v.(map[string]any)
	o, _ := m[key].(map[string]any)
	return o
}

// operandsOf are the two operands of an operator, or nil.
func operandsOf(v any, op string) []any {
	m, _ := v.(map[string]any)
	if operands, _ := m[op].([]any); len(operands) == 2 {
		return operands
	}
	return nil
}
