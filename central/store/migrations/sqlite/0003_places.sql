-- Locations, the access points in them, and the devices that let people in. One sequence of ids for the three, so that none can be
-- taken for another. A deleted one stays: readers by last_change hear of it, and old sessions name it.
CREATE TABLE places (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    kind            TEXT    NOT NULL, -- location, access_point, access_device
    name            TEXT    NOT NULL,
    short_name      TEXT    NOT NULL,
    is_active       INTEGER NOT NULL,
    deleted         INTEGER NOT NULL,
    location_id     INTEGER REFERENCES places (id), -- of an access point or device: where it is
    mac_addr        TEXT,                           -- 00:1A:2B:3C:4D:5E
    description     TEXT,
    thumbnail       TEXT,
    address         TEXT,
    reference       TEXT,
    city            TEXT,
    postal_code     TEXT,
    state           TEXT,
    region          TEXT,
    country_code    TEXT,
    latitude        TEXT,
    longitude       TEXT,
    created         INTEGER NOT NULL,
    last_change     INTEGER NOT NULL -- no two are equal
) STRICT;
CREATE UNIQUE INDEX places_short_name ON places (organization_id, kind, short_name) WHERE NOT deleted;
CREATE UNIQUE INDEX places_mac_addr ON places (organization_id, mac_addr) WHERE mac_addr IS NOT NULL AND NOT deleted;
CREATE INDEX places_name ON places (organization_id, kind, name);
CREATE INDEX places_location ON places (location_id) WHERE location_id IS NOT NULL;
CREATE INDEX places_kind ON places (kind, created DESC, id DESC);
CREATE UNIQUE INDEX places_last_change ON places (last_change);

-- Devices with an app. One that reports without ever having been registered is implied by the token or the user that reports.
CREATE TABLE devices (
    id                         INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id            INTEGER NOT NULL REFERENCES organizations (id),
    user_id                    INTEGER REFERENCES users (id) ON DELETE SET NULL,
    token_id                   INTEGER, -- whose registration it is
    implied                    TEXT,    -- "token 5", "user 7"; null: registered
    mac_key                    TEXT,    -- mac_addr as 00:1a:2b:3c:4d:5e
    number                     TEXT,
    generic_id                 TEXT,
    imei                       TEXT,
    imsi                       TEXT,
    iccid                      TEXT,
    mac_addr                   TEXT,
    home_mobile_network_name   TEXT,
    home_mobile_network_mccmnc TEXT,
    app_version                TEXT,
    os_family                  TEXT,
    os_version                 TEXT,
    os_api_version             TEXT,
    device_family              TEXT,
    device_brand               TEXT,
    device_model               TEXT,
    device_type                TEXT,
    push_key                   TEXT,
    username                   TEXT,
    user_external_id           TEXT,
    user_class                 TEXT,
    created                    INTEGER NOT NULL,
    updated                    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX devices_imei ON devices (organization_id, imei) WHERE imei IS NOT NULL;
CREATE UNIQUE INDEX devices_mac_key ON devices (organization_id, mac_key) WHERE mac_key IS NOT NULL;
CREATE UNIQUE INDEX devices_implied ON devices (organization_id, implied) WHERE implied IS NOT NULL;
CREATE INDEX devices_generic_id ON devices (organization_id, generic_id) WHERE generic_id IS NOT NULL;
CREATE INDEX devices_imsi ON devices (organization_id, imsi) WHERE imsi IS NOT NULL;
CREATE INDEX devices_iccid ON devices (organization_id, iccid) WHERE iccid IS NOT NULL;
CREATE INDEX devices_number ON devices (organization_id, number) WHERE number IS NOT NULL;
CREATE INDEX devices_user ON devices (user_id, created DESC, id DESC) WHERE user_id IS NOT NULL;
CREATE INDEX devices_registered ON devices (created DESC, id DESC) WHERE implied IS NULL;
CREATE INDEX devices_token ON devices (token_id, created);

-- What the summary calls an app: a network that devices report.
CREATE TABLE device_apps (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    network_type    TEXT    NOT NULL,
    network_name    TEXT    NOT NULL,
    UNIQUE (organization_id, network_type, network_name)
) STRICT;

CREATE TABLE connection_logs (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id        INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    app_id           INTEGER NOT NULL REFERENCES device_apps (id),
    at               INTEGER NOT NULL,
    failed           INTEGER NOT NULL,
    network_security TEXT    NOT NULL,
    network_mccmnc   TEXT,
    frequency        REAL,
    authentication   TEXT,
    bssid            TEXT,
    cellid           TEXT,
    roaming          INTEGER,
    latitude         TEXT,
    longitude        TEXT,
    inbytes          INTEGER,
    outbytes         INTEGER,
    link_speed       REAL,
    quality_metric   TEXT,
    quality_value    REAL,
    duration         INTEGER -- seconds
) STRICT;
CREATE INDEX connection_logs_device ON connection_logs (device_id, at);

CREATE TABLE test_reports (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id   INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    app_id      INTEGER NOT NULL REFERENCES device_apps (id),
    at          INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    test_type   TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    value       REAL    NOT NULL,
    count       INTEGER,
    unit        TEXT
) STRICT;
CREATE INDEX test_reports_device ON test_reports (device_id, at);

-- Reports of one device in one day, one row per app. A mark says that the rows of a device and day are to be made anew.
CREATE TABLE connection_days (
    organization_id INTEGER NOT NULL,
    device_id       INTEGER NOT NULL,
    day             INTEGER NOT NULL, -- since 1970
    app_id          INTEGER NOT NULL,
    total           INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
    octets          INTEGER NOT NULL,
    seconds         INTEGER NOT NULL, -- of those that said how long they took
    timed           INTEGER NOT NULL, -- how many said
    last_at         INTEGER NOT NULL,
    last_failed     INTEGER NOT NULL,
    PRIMARY KEY (organization_id, device_id, day, app_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE connection_marks (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id INTEGER NOT NULL,
    day       INTEGER NOT NULL
) STRICT;

-- Whoever makes days anew holds this row meanwhile.
INSERT INTO meta (key, value) VALUES ('connection_rollup', '');

-- Verdicts of portals outside.
CREATE TABLE portal_logins (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT, -- page_id
    organization_id    INTEGER NOT NULL REFERENCES organizations (id),
    token_id           INTEGER NOT NULL,
    uid                TEXT    NOT NULL,
    user_id            INTEGER,
    ap_mac             TEXT    NOT NULL,
    mac                TEXT    NOT NULL,
    ip                 TEXT    NOT NULL,
    original_url       TEXT,
    controller_address TEXT,
    session_timeout    INTEGER,
    idle_timeout       INTEGER,
    access_point_id    INTEGER,
    location_id        INTEGER,
    created            INTEGER NOT NULL
) STRICT;
CREATE INDEX portal_logins_mac ON portal_logins (organization_id, mac);

-- What GATE shows of a session and a transaction beside that.
ALTER TABLE aaa_accounting ADD COLUMN gateway_id INTEGER; -- GATE's client
ALTER TABLE aaa_accounting ADD COLUMN groupname TEXT;
ALTER TABLE aaa_accounting ADD COLUMN framedprotocol TEXT;
ALTER TABLE aaa_accounting ADD COLUMN connectinfo_start TEXT;
ALTER TABLE aaa_accounting ADD COLUMN connectinfo_stop TEXT;
CREATE INDEX aaa_accounting_gateway ON aaa_accounting (gateway_id, acctstarttime DESC, radacctid DESC)
    WHERE gateway_id IS NOT NULL;
ALTER TABLE txlog_portal ADD COLUMN page_id INTEGER; -- portal_logins
CREATE INDEX txlog_portal_page ON txlog_portal (page_id, datetime DESC, id DESC) WHERE page_id IS NOT NULL;
