package gate

// UserExtra is what is known of a person besides the account. Every field but the ids may be null.
type UserExtra struct {
	ID             int64   `json:"id"`
	Parent         int64   `json:"parent"` // the user's id
	Title          *string `json:"title"`
	Gender         *string `json:"gender"`   // m, f, o
	Birthday       *string `json:"birthday"` // YYYY-MM-DD
	Age            *int64  `json:"age"`
	AgeRange       *string `json:"age_range"`
	Telephone      *string `json:"telephone"`
	Address        *string `json:"address"`
	City           *string `json:"city"`
	State          *string `json:"state"`
	PostalCode     *string `json:"postal_code"`
	Country        *string `json:"country"`
	CountryID      *string `json:"country_id"` // two letters of ISO 3166-1
	Company        *string `json:"company"`
	TaxID          *string `json:"tax_id"`
	PassportNumber *string `json:"passport_number"`
	Hometown       *string `json:"hometown"`
	Location       *string `json:"location"`
	Locale         *string `json:"locale"`
	Event          *string `json:"event"`
	AcceptTerms    *bool   `json:"accept_terms"`
	CustomField1   *string `json:"custom_field_1"`
	CustomField2   *string `json:"custom_field_2"`
	CustomField3   *string `json:"custom_field_3"`
	CustomField4   *string `json:"custom_field_4"`
	CustomField5   *string `json:"custom_field_5"`
	CustomField6   *string `json:"custom_field_6"`
	CustomField7   *string `json:"custom_field_7"`
	CustomField8   *string `json:"custom_field_8"`
	// DeviceInfo are the person's devices, where they were asked for.
	DeviceInfo *[]DeviceReg `json:"device_info,omitempty"`
}

// Texts are the fields that are text, in the order of UserExtraTexts.
func (e *UserExtra) Texts() []**string {
	return []**string{&e.Title, &e.Gender, &e.Birthday, &e.AgeRange, &e.Telephone, &e.Address, &e.City, &e.State, &e.PostalCode, &e.Country, &e.CountryID, &e.Company, &e.TaxID, &e.PassportNumber, &e.Hometown, &e.Location, &e.Locale, &e.Event, &e.CustomField1, &e.CustomField2, &e.CustomField3, &e.CustomField4, &e.CustomField5, &e.CustomField6, &e.CustomField7, &e.CustomField8}
}

// UserExtraTexts are the names of the fields that are text.
func UserExtraTexts() []string {
	return []string{"title", "gender", "birthday", "age_range", "telephone", "address", "city", "state", "postal_code", "country", "country_id", "company", "tax_id", "passport_number", "hometown", "location", "locale", "event", "custom_field_1", "custom_field_2", "custom_field_3", "custom_field_4", "custom_field_5", "custom_field_6", "custom_field_7", "custom_field_8"}
}
