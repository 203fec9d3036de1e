package gate

// AaaProfile is a named set of RADIUS attributes that users are assigned to.
type AaaProfile struct {
	ID             int64   `json:"id"`
	Name           string  `json:"name"`
	ShortName      string  `json:"short_name"` // unique in its organisation
	Description    *string `json:"description"`
	OrganizationID ID      `json:"organization_id"`
	ReplyAttribute []Attr  `json:"reply_attribute"`
	CheckAttribute []Attr  `json:"check_attribute"`
}

// Attr is one RADIUS attribute.
type Attr struct {
	Attribute string `json:"attribute"`
	Op        string `json:"op"` // one of Operators
	Value     string `json:"value"`
}

// Operators are the thirteen that an Attr may have. "=*" with a value is a regular expression here, without one it means
// "present", as in RADIUS servers.
func Operators() []string {
	return []string{"=", "+=", ":=", "==", "!=", ">", ">=", "<", "<=", "=~", "!~", "=*", "!*"}
}
