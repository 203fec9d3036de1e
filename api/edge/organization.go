package edge

import (
	"context"
	"net/http"
	"time"
)

// OrganizationPath is of the GATE API: what a gateway asks for its organisation's look.
const OrganizationPath = "/api/v1/me/organization/"

// Organization is what a gateway reads of its organisation. What is null there is empty here.
type Organization struct {
	DisplayName string `json:"display_name"`
	Branding    struct {
		LogoURL        string `json:"logo_url"`
		PrimaryColor   string `json:"primary_color"`
		SecondaryColor string `json:"secondary_color"`
	} `json:"branding"`
}

// Organization asks how the organisation looks to whom this gateway belongs.
func (c *Client) Organization(ctx context.Context) (o Organization, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err = c.exchange(ctx, http.MethodGet, OrganizationPath, nil, http.Header{}, nil, maxAuthAnswer, &o)
	return o, err
}
