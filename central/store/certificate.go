package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// How many certificates a gateway may be given in which time: as many as public certificate authorities give for one name.
const (
	certificatesPerTime = 5
	certificatesTime    = 7 * 24 * time.Hour
)

// Certificate is one that a gateway asked for.
type Certificate struct {
	ID, Gateway, Organization int64
	Name                      string
	KeyHash, CSR              []byte
	Attempts                  int64
	Next                      *time.Time // attempt; nil: it has been issued
	Problem                   string     // of the last attempt
	Chain                     string     // PEM
	NotAfter                  *time.Time
}

// TooManyCertificatesError says that the gateway has been given enough certificates for now.
type TooManyCertificatesError struct{ Wait time.Duration }

// Error implements error.
func (e *TooManyCertificatesError) Error() string {
	return fmt.Sprintf("the gateway was given %d certificates in %s", certificatesPerTime, certificatesTime)
}

const certificateColumns = "c.id, c.gateway_id, g.organization_id, c.name, c.key_hash, c.csr, c.attempts, c.next_at, c.problem, c.chain, c.not_after"

func scanCertificate(row scanner) (c Certificate, err error) {
	var next, end *int64
	var problem, chain *string
	err = row.Scan(&c.ID, &c.Gateway, &c.Organization, &c.Name, &c.KeyHash, &c.CSR, &c.Attempts, &next, &problem, &chain, &end)
	c.Next, c.NotAfter = utcOrNil(next), utcOrNil(end)
	if problem != nil {
		c.Problem = *problem
	}
	if chain != nil {
		c.Chain = *chain
	}
	return c, err
}

// OrderCertificate is what became of the certificate that a gateway asks for with this key, and orders it where it has not been
// ordered. One that is asked for in vain so far gives way. The error is a *TooManyCertificatesError when the gateway has had enough of them.
func (s *Store) OrderCertificate(ctx context.Context, gw Gateway, name string, keyHash, csr []byte) (c Certificate, err error) {
	same := func() bool { return c.Name == name && bytes.Equal(c.KeyHash, keyHash) }
	if c, err = newestCertificate(ctx, s.read(), gw.ID); err == nil && same() {
		return c, nil
	}
	err = s.write(ctx, "ordering certificate", func(tx *dbTx) error {
		now := s.now()
		// Two requests of a gateway at once are one after the other.
		if _, err := tx.Exec("UPDATE gateways SET id = id WHERE id = ?", gw.ID); err != nil {
			return err
		}
		c, err = newestCertificate(tx.ctx, tx, gw.ID)
		switch {
		case err != nil && err != sql.ErrNoRows:
			return err
		case err == nil && same():
			return nil
		case err == nil && c.Next != nil:
			_, err = tx.Exec("UPDATE certificates SET name = ?, key_hash = ?, csr = ? WHERE id = ?", name, keyHash, csr, c.ID)
		default:
			err = s.newCertificate(tx, now, gw.ID, name, keyHash, csr)
		}
		if err != nil {
			return err
		}
		c, err = newestCertificate(tx.ctx, tx, gw.ID)
		return err
	})
	return c, err
}

func newestCertificate(ctx context.Context, q querier, gateway int64) (Certificate, error) {
	const find = "SELECT " + certificateColumns + ` FROM certificates c JOIN gateways g ON g.id = c.gateway_id
		WHERE c.gateway_id = ? ORDER BY c.id DESC LIMIT 1`
	return scanCertificate(q.QueryRowContext(ctx, find, gateway))
}

func (s *Store) newCertificate(tx *dbTx, now time.Time, gateway int64, name string, keyHash, csr []byte) error {
	var recent int
	var oldest *int64
	const count = "SELECT count(*), min(created) FROM certificates WHERE gateway_id = ? AND created > ?"
	if err := tx.QueryRow(count, gateway, micros(now.Add(-certificatesTime))).Scan(&recent, &oldest); err != nil {
		return err
	}
	if recent >= certificatesPerTime {
		return &TooManyCertificatesError{utc(*oldest).Add(certificatesTime).Sub(now)}
	}
	const over = "DELETE FROM certificates WHERE gateway_id = ? AND created <= ? AND not_after < ?"
	if _, err := tx.Exec(over, gateway, micros(now.Add(-certificatesTime)), micros(now)); err != nil {
		return err
	}
	_, err := tx.Exec("INSERT INTO certificates (gateway_id, name, key_hash, csr, created, next_at) VALUES (?, ?, ?, ?, ?, ?)",
		gateway, name, keyHash, csr, micros(now), micros(now))
	return err
}

// TakeCertificate takes an order that is due, for this process; it is due again after life, in case it dies over it. Orders of
// gateways that were revoked wait. The error is ErrNotFound when there is none.
func (s *Store) TakeCertificate(ctx context.Context, life time.Duration) (c Certificate, err error) {
	const due = `SELECT c.id FROM certificates c JOIN gateways g ON g.id = c.gateway_id
		WHERE c.next_at <= ? AND g.revoked IS NULL ORDER BY c.next_at, c.id LIMIT 1`
	var id int64
	if err := s.read().QueryRowContext(ctx, due, micros(s.now())).Scan(&id); err != nil {
		return c, s.err("looking for certificates to get", err)
	}
	err = s.write(ctx, "taking an order", func(tx *dbTx) error {
		n, err := tx.affected("UPDATE certificates SET attempts = attempts + 1, next_at = ? WHERE id = ? AND next_at <= ?",
			micros(s.now().Add(life)), id, micros(s.now()))
		if err != nil {
			return err
		}
		if n == 0 { // another process was faster
			return ErrNotFound
		}
		c, err = scanCertificate(tx.QueryRow("SELECT "+certificateColumns+" FROM certificates c JOIN gateways g ON g.id = c.gateway_id WHERE c.id = ?", id))
		return err
	})
	return c, err
}

// SettleCertificate notes what came of an attempt: the chain and its end, or else why there is none and when to try again. An
// order that has another key or name by now is left to its next attempt.
func (s *Store) SettleCertificate(ctx context.Context, c Certificate) error {
	return s.write(ctx, "noting a certificate", func(tx *dbTx) error {
		var next, end *int64
		if c.Next != nil {
			next = new(micros(*c.Next))
		}
		if c.NotAfter != nil {
			end = new(micros(*c.NotAfter))
		}
		n, err := tx.affected(`UPDATE certificates SET next_at = ?, problem = ?, chain = ?, not_after = ?
			WHERE id = ? AND attempts = ? AND key_hash = ? AND name = ?`, next, text(c.Problem), text(c.Chain), end, c.ID, c.Attempts, c.KeyHash, c.Name)
		if err != nil {
			return err
		}
		if n == 0 {
			_, err = tx.Exec("UPDATE certificates SET next_at = ? WHERE id = ? AND attempts = ?", micros(s.now()), c.ID, c.Attempts)
			return err
		}
		if c.Chain == "" {
			return nil
		}
		return tx.audit("certificate", c.ID, c.Organization, nil, map[string]any{"gateway": c.Gateway, "name": c.Name, "not_after": c.NotAfter})
	})
}

// ACMEKey is the sealed key of an organisation's account at an ACME server. Where it has none, made becomes it.
func (s *Store) ACMEKey(ctx context.Context, organization int64, directory string, made []byte) (sealed []byte, err error) {
	const find = "SELECT sealed FROM acme_accounts WHERE organization_id = ? AND directory = ?"
	err = s.err("reading account", s.read().QueryRowContext(ctx, find, organization, directory).Scan(&sealed))
	if !errors.Is(err, ErrNotFound) {
		return sealed, err
	}
	err = s.write(ctx, "keeping account", func(tx *dbTx) error {
		_, err := tx.Exec(`INSERT INTO acme_accounts (organization_id, directory, sealed, created) VALUES (?, ?, ?, ?)
			ON CONFLICT (organization_id, directory) DO NOTHING`, organization, directory, made, micros(s.now()))
		if err != nil {
			return err
		}
		return tx.QueryRow(find, organization, directory).Scan(&sealed)
	})
	return sealed, err
}
