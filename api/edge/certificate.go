package edge

// CertificateRequest asks for a certificate of the gateway's portal. Without a CSR it asks for the name that it would have.
type CertificateRequest struct {
	// CSR is a signing request (PKCS #10, DER) for exactly that name, by a P-256 key that never leaves the gateway. The same key
	// again asks what became of it.
	CSR []byte `json:"csr,omitempty"`
}

// The states of a certificate.
const (
	CertificateNone    = "none"    // nothing was asked for; without a Name the centre gives none
	CertificatePending = "pending" // ask again after RetryAfter
	CertificateIssued  = "issued"
)

// CertificateAnswer is what became of it.
type CertificateAnswer struct {
	State       string `json:"state"`
	Name        string `json:"name,omitempty"`
	Certificate string `json:"certificate,omitempty"` // PEM, the leaf first, then those between it and a root
	RetryAfter  int    `json:"retry_after,omitempty"` // seconds
	Problem     string `json:"problem,omitempty"`     // of the last attempt
}
