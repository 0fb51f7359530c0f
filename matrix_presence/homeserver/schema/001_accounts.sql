-- Accounts, their devices and access tokens, and what clients keep on the server.

CREATE TABLE accounts (
    user_id TEXT PRIMARY KEY,
    -- NULL: nobody can log in with a password (guests, application services).
    password_hash TEXT,
    created_ts BIGINT NOT NULL,
    is_guest SMALLINT NOT NULL,
    is_deactivated SMALLINT NOT NULL,
    is_locked SMALLINT NOT NULL,
    is_suspended SMALLINT NOT NULL,
    displayname TEXT,
    avatar_url TEXT
);

CREATE TABLE account_devices (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    display_name TEXT,
    last_seen_ts BIGINT,
    last_seen_ip TEXT,
    -- SHA-256 of the access token in hexadecimal; NULL: logged out for the moment.
    token_hash TEXT,
    PRIMARY KEY (user_id, device_id)
);

CREATE TABLE account_filters (
    user_id TEXT NOT NULL,
    filter_id TEXT NOT NULL,
    definition TEXT NOT NULL,
    PRIMARY KEY (user_id, filter_id)
);

-- Global account data has an empty room_id.
CREATE TABLE account_data (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    type TEXT NOT NULL,
    content TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id, type)
);

CREATE TABLE device_inbox (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (user_id, device_id, position)
);

CREATE TABLE device_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    keys TEXT NOT NULL,
    PRIMARY KEY (user_id, device_id)
);

CREATE TABLE one_time_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key_json TEXT NOT NULL,
    PRIMARY KEY (user_id, device_id, key_id)
);

-- One for each device and algorithm; used until the device uploads another.
CREATE TABLE fallback_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key_json TEXT NOT NULL,
    is_used SMALLINT NOT NULL,
    PRIMARY KEY (user_id, device_id, algorithm)
);

CREATE TABLE device_list_changes (
    user_id TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);
