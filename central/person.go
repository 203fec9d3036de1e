package central

import (
	"bytes"

	"fmt"
	"net/http"

	"gatehouse/api/admin"
	"gatehouse/central/store"
)

func (s *Server) exportPerson(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	var b bytes.Buffer
	if err := s.cfg.Store.ExportPerson(c.Context(), c.token.Scope, id, &b); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, file{"application/json", fmt.Sprintf("person-%d.json", id), b.Bytes()}, nil
}

func (s *Server) erasePerson(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	e, err := s.cfg.Store.ErasePerson(c.Context(), c.token.Scope, id)
	return http.StatusAccepted, adminErasure(e), err
}

func (s *Server) getErasure(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	e, err := s.cfg.Store.Erasure(c.Context(), c.token.Scope, id)
	return http.StatusOK, adminErasure(e), err
}

func adminErasure(e store.Erasure) admin.Erasure {
	status := admin.ErasureRunning
	if e.Finished != nil {
		status = admin.ErasureFinished
	}
	return admin.Erasure{ID: e.ID, UserID: e.UserID, Status: status, Requested: e.Requested, Finished: e.Finished, Rows: e.Rows,
		StepsDone: min(e.Step, e.Steps), Steps: e.Steps}
}
