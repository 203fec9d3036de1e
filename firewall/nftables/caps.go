package nftables

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gatehouse/sessions"
)

// Names of sets of ids.
const (
	setCapped       = "capped"      // ids that have a cap
	setSpentUp      = "spent_up"    // ids of which a cap has refused a packet, on its way up
	setSpentDown    = "spent_down"  // the same, on its way down
	quotaUpPrefix   = "quota_up_"   // and a slot: id : quota that its packets count against
	quotaDownPrefix = "quota_down_" // the same, for the way down
	capPrefix       = "cap_"        // of the names of quota objects

	quotaSlots = 2 * sessions.MaxCaps // each cap has its own bound for a direction, and the one for both
)

// bound is one of the three that a cap may have.
type bound int

const (
	boundUp bound = iota
	boundDown
	boundTotal
	bounds
)

const boundLetters = "udt"

// kernelCap is a version of a cap as the kernel has it: a quota object for each of its bounds, and grants whose ids lead
// there. A grant's caps are in the order of their keys, so that a restart finds which slots they have.
type kernelCap struct {
	key     string // of the name: names of objects may not say everything
	version uint32
	has     [bounds]bool
	refs    int // grants that have it and are not cut
}

func capKey(name string) string {
	sum := sha256.Sum256([]byte(name))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

func (k *kernelCap) object(b bound) string {
	return fmt.Sprintf("%s%s_%x_%c", capPrefix, k.key, k.version, boundLetters[b])
}

// capOfObject reads the name of a quota object; ok is false for one that is not ours.
func capOfObject(name string) (key string, version uint32, b bound, ok bool) {
	rest, ours := strings.CutPrefix(name, capPrefix)
	parts := strings.Split(rest, "_")
	if !ours || len(parts) != 3 || len(parts[2]) != 1 {
		return "", 0, 0, false
	}
	v, err := strconv.ParseUint(parts[1], 16, 32)
	i := strings.Index(boundLetters, parts[2])
	return parts[0], uint32(v), bound(i), err == nil && i >= 0
}

func (k *kernelCap) bounds() (all []bound) {
	for b := range bounds {
		if k.has[b] {
			all = append(all, b)
		}
	}
	return all
}

// quotas are the objects that a grant's packets in a direction count against, by slot.
func quotas(caps []*kernelCap, direction bound) (objects []string) {
	for _, k := range caps {
		for _, b := range k.bounds() {
			if b == direction || b == boundTotal {
				objects = append(objects, k.object(b))
			}
		}
	}
	return objects
}

// quotaSets are the sets of a direction's slots.
func quotaSets(prefix string) (sets []string) {
	for i := range quotaSlots {
		sets = append(sets, fmt.Sprint(prefix, i))
	}
	return sets
}

func isQuotas(set string) bool {
	return strings.HasPrefix(set, quotaUpPrefix) || strings.HasPrefix(set, quotaDownPrefix)
}

// capPlan is what a transaction will change about caps.
type capPlan struct {
	f     *Firewall
	next  map[string]*kernelCap // by key: the versions that begin
	left  map[*kernelCap]sessions.Cap
	refs  map[*kernelCap]int // what is added to refs
	moved map[*grant][]*kernelCap
}

func (f *Firewall) newCapPlan() *capPlan {
	return &capPlan{f: f, next: map[string]*kernelCap{}, left: map[*kernelCap]sessions.Cap{},
		refs: map[*kernelCap]int{}, moved: map[*grant][]*kernelCap{}}
}

// join finds or begins the caps of a grant.
func (p *capPlan) join(g *sessions.Grant) (caps []*kernelCap, err error) {
	for _, c := range g.Caps {
		key := capKey(c.Name)
		k, begins := p.next[key]
		if !begins {
			k = p.f.caps[key]
		}
		if k == nil || k.version != c.Version {
			if begins {
				return nil, fmt.Errorf("cap %q: two versions of it at once", c.Name)
			}
			k = &kernelCap{key: key, version: c.Version, has: [bounds]bool{c.Up > 0, c.Down > 0, c.Total > 0}}
			p.next[key], p.left[k] = k, c
		}
		caps = append(caps, k)
		p.refs[k]++
	}
	slices.SortFunc(caps, func(a, b *kernelCap) int { return cmp.Compare(a.key, b.key) })
	return caps, nil
}

// leave takes a grant from its caps.
func (p *capPlan) leave(g *grant) {
	for _, k := range g.caps {
		p.refs[k]--
	}
}

// follow gives the grants that share a cap with those planned, and are not planned themselves, the version that begins.
func (p *capPlan) follow(planned func(*grant) bool) {
	for key, k := range p.next {
		old := p.f.caps[key]
		if old == nil {
			continue
		}
		for _, g := range p.f.grants {
			i := slices.Index(g.caps, old)
			if i < 0 || planned(g) {
				continue
			}
			if p.moved[g] == nil {
				p.moved[g] = slices.Clone(g.caps)
			}
			p.moved[g][i] = k
			p.refs[old]--
			p.refs[k]++
		}
	}
}

// objects deletes the quotas that nobody will have, and makes the new ones.
func (p *capPlan) objects(t *transaction) {
	for k, change := range p.refs {
		if k.refs > 0 && k.refs+change == 0 {
			for _, b := range k.bounds() {
				t.deleteObject(k.object(b))
			}
		}
	}
	for k, c := range p.left {
		for _, b := range k.bounds() {
			t.quota(k.object(b), [bounds]uint64{c.Up, c.Down, c.Total}[b])
		}
	}
}

// done takes down what the kernel has accepted.
func (p *capPlan) done() {
	for key, k := range p.next {
		p.f.caps[key] = k
	}
	for k, change := range p.refs {
		if k.refs += change; k.refs == 0 && p.f.caps[k.key] == k {
			delete(p.f.caps, k.key)
		}
	}
	for g, caps := range p.moved {
		g.caps = caps
	}
}

// quota makes a quota object that refuses the packet with which octets would be exceeded, and all after it.
func (t *transaction) quota(name string, octets uint64) {
	t.object(unix.NFT_MSG_NEWOBJ, unix.NLM_F_CREATE, name)
	data := t.begin(unix.NFTA_OBJ_DATA)
	// On older kernels "over" is true from the number itself on, on newer ones behind it: there one octet more may pass.
	t.u64(unix.NFTA_QUOTA_BYTES, min(octets, math.MaxInt64-1)+1)
	t.u32(unix.NFTA_QUOTA_FLAGS, unix.NFT_QUOTA_F_INV)
	t.end(data)
}

func (t *transaction) deleteObject(name string) { t.object(unix.NFT_MSG_DELOBJ, 0, name) }

func (t *transaction) object(kind, flags uint16, name string) {
	t.add(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, unix.NFPROTO_INET, 0)
	t.text(unix.NFTA_OBJ_TABLE, tableName)
	t.text(unix.NFTA_OBJ_NAME, name)
	t.u32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_QUOTA)
}

// capSets prints the sets of caps.
func capSets(line printer) {
	line("\tset %s { type mark; size %d; }", setCapped, setSize)
	for _, set := range []string{setSpentUp, setSpentDown} {
		line("\tset %s { type mark; flags dynamic; size %d; }", set, setSize)
	}
	for _, set := range slices.Concat(quotaSets(quotaUpPrefix), quotaSets(quotaDownPrefix)) {
		line("\tmap %s { type mark : quota; size %d; }", set, setSize)
	}
}

// capChains print what becomes of the packets of ids with caps. A quota goes on counting what it refuses; the sets of spent ids
// are asked first, so that refused packets do not count against the grant's other caps.
func capChains(line printer) {
	for _, way := range []struct{ chain, id, spent, quotas string }{
		{"caps_up", packetID, setSpentUp, quotaUpPrefix},
		{"caps_down", flowID, setSpentDown, quotaDownPrefix},
	} {
		rules := []string{way.id + " @" + way.spent + " drop"}
		for _, set := range quotaSets(way.quotas) {
			rules = append(rules, fmt.Sprintf("quota name %s map @%s add @%s { %[1]s } drop", way.id, set, way.spent))
		}
		line.chain(way.chain, rules...)
	}
}

// adoptCaps finds the caps of grants.
func (f *Firewall) adoptCaps(found inspection) error {
	for _, set := range found.sets {
		if !isQuotas(set) {
			continue
		}
		elements, err := f.socket.readSet(set, nil)
		if err != nil {
			return err
		}
		for i := range elements {
			g := f.grants[elements[i].key.id()]
			key, version, b, ok := capOfObject(elements[i].object)
			if g == nil || !ok {
				continue
			}
			k := f.caps[key]
			if k == nil {
				k = &kernelCap{key: key, version: version}
				f.caps[key] = k
			}
			k.has[b] = true
			g.cut = false // or the next grant of this id would find them in its way
			if !slices.Contains(g.caps, k) {
				g.caps = append(g.caps, k)
				k.refs++
			}
		}
	}
	for _, g := range f.grants {
		slices.SortFunc(g.caps, func(a, b *kernelCap) int { return cmp.Compare(a.key, b.key) })
	}
	return nil
}

// sweepCaps deletes quotas that no grant has.
func (f *Firewall) sweepCaps(t *transaction) error {
	names, err := f.socket.names(unix.NFT_MSG_GETOBJ, unix.NFTA_OBJ_TABLE, unix.NFTA_OBJ_NAME)
	if err != nil {
		return fmt.Errorf("listing quotas: %w", err)
	}
	for _, name := range names {
		key, version, _, ok := capOfObject(name)
		if k := f.caps[key]; ok && (k == nil || k.version != version) {
			t.deleteObject(name)
		}
	}
	return nil
}

// isDepleted tells whether a message says that a quota has refused its first packet.
func isDepleted(object []byte) bool {
	depleted := false
	_ = attributes(object, func(kind uint16, b []byte) error {
		if kind != unix.NFTA_OBJ_DATA {
			return nil
		}
		return attributes(b, func(kind uint16, b []byte) error {
			depleted = depleted || kind == unix.NFTA_QUOTA_FLAGS && len(b) == 4 && b[3]&unix.NFT_QUOTA_F_DEPLETED != 0
			return nil
		})
	})
	return depleted
}
