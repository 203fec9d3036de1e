package gwsync

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gatehouse/api/edge"
)

// Certificate asks the centre for the certificate of a signing request, or without one for the name that it would be for. That the
// gateway has had enough of them is an answer, too.
func (s *Sync) Certificate(ctx context.Context, csr []byte) (edge.CertificateAnswer, error) {
	a, err := s.Authority.client.certificate(ctx, csr)
	var refused *edge.AnswerError
	if errors.As(err, &refused) && refused.Status == http.StatusTooManyRequests && refused.Code != "" {
		return edge.CertificateAnswer{State: edge.CertificatePending, Problem: refused.Message, RetryAfter: int(refused.RetryAfter / time.Second)}, nil
	}
	return a, err
}
