package central

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

const (
	minPassword          = 8 // characters
	registrationsPerHour = 300
)

// registration is the Body of a proof by which an account is made.
type registration struct {
	Username string            `json:"username"`
	Fields   map[string]string `json:"fields,omitempty"`
	Hash     string            `json:"hash,omitempty"` // of the password; empty: none was chosen
	Terms    string            `json:"terms,omitempty"`
}

// beginRegister holds what a guest says of himself to GATE's rules. Where a code proves the address or number, that is the user name: an
// account that is there already becomes his, which nobody hears of before he has shown the code. Where nothing is proven nobody gets
// an account that is there: it is a new one, with a name that nobody else has.
func (s *Server) beginRegister(ctx context.Context, b *proofBegun) error {
	said := registration{Fields: b.Fields, Terms: b.Terms}
	for name, value := range b.Fields {
		if !fitField(name, value) {
			return unfitProof(edge.ProofBadField, "There is no such field, or it cannot have this value: "+name)
		}
	}
	if b.Password != "" {
		if len([]rune(b.Password)) < minPassword || b.Verify == "" {
			return unfitProof(edge.ProofBadField, "A password has 8 characters, and is for who proves an address or a number.")
		}
		var err error
		if said.Hash, err = s.hash(ctx, sessions.Password(b.Password)); err != nil {
			return err
		}
	}
	if b.Verify == "" {
		said.Username = "guest-" + strings.ToLower(rand.Text()[:12])
		b.proof.State, b.proof.Expires = store.ProofReady, s.cfg.Clock.Now().Add(codeLife)
		b.proof.Channel = "register"
		b.limits = []store.ProofLimit{{Station: true, Most: perHour, Within: time.Hour}, {Station: true, Most: perDay, Within: 24 * time.Hour},
			{Gateway: true, Most: registrationsPerHour, Within: time.Hour}}
	} else if err := s.askCode(ctx, b, b.Verify); err != nil {
		return err
	} else {
		said.Username = b.proof.Contact
	}
	var err error
	b.proof.Body, err = json.Marshal(said)
	return err
}

// fitField tells whether a guest may say this of himself.
func fitField(name, value string) bool {
	if len([]rune(value)) > shortText || hasControl(value) {
		return false
	}
	switch name {
	case "first_name", "last_name":
		return true
	case "email":
		return cleanAddress(value) != ""
	case "gender":
		return slices.Contains([]string{"m", "f", "o"}, value)
	case "birthday":
		_, err := time.Parse(time.DateOnly, value)
		return err == nil
	case "age":
		n, err := strconv.Atoi(value)
		return err == nil && n > 0 && n < 150
	}
	return slices.Contains(gate.UserExtraTexts(), name)
}

// personOfRegistration is who has registered.
func personOfRegistration(p store.Proof) (store.Person, error) {
	var said registration
	if err := json.Unmarshal(p.Body, &said); err != nil {
		return store.Person{}, err
	}
	who := store.Person{Username: said.Username, Change: func(u *gate.User, _ bool) {
		for name, to := range map[string]**string{"first_name": &u.FirstName, "last_name": &u.LastName, "email": &u.Email} {
			if v, ok := said.Fields[name]; ok {
				*to = &v
			}
		}
		if p.Channel == channelEmail {
			u.Email = &p.Contact
		}
	}}
	if said.Hash != "" {
		who.Password = &said.Hash
	}
	who.Extra = func(e *gate.UserExtra) {
		texts := e.Texts()
		for i, name := range gate.UserExtraTexts() {
			if v, ok := said.Fields[name]; ok {
				*texts[i] = &v
			}
		}
		if p.Channel == channelSMS {
			e.Telephone = &p.Contact
		}
		if v, ok := said.Fields["age"]; ok {
			if n, err := strconv.ParseInt(v, 10, 64); err == nil {
				e.Age = &n
			}
		}
		if said.Terms != "" {
			e.AcceptTerms = new(true)
		}
		if p.Locale != "" {
			e.Locale = &p.Locale
		}
	}
	return who, nil
}
