-- Calls of the GATE API that count against max_api_calls, by calendar month (UTC) as 202611.
CREATE TABLE api_calls (
    organization_id BIGINT  NOT NULL REFERENCES organizations (id),
    month           INTEGER NOT NULL,
    calls           BIGINT  NOT NULL,
    PRIMARY KEY (organization_id, month)
);
