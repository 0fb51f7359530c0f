-- One row for each user of whom anything is known. Times are epoch milliseconds,
-- currently_active is 0 or 1, devices is a JSON list with an entry
-- [device_id, presence, hold, last_active_ts] for each device.
CREATE TABLE presence_users (
    user_id TEXT NOT NULL PRIMARY KEY,
    presence TEXT NOT NULL,
    status_msg TEXT,
    last_active_ts BIGINT NOT NULL,
    currently_active SMALLINT NOT NULL,
    position BIGINT NOT NULL,
    displayname TEXT,
    avatar_url TEXT,
    devices TEXT NOT NULL
);

-- A single row: the stream position up to which positions may have been handed out,
-- and whether the last run wrote everything before it ended (1) or not (0).
CREATE TABLE presence_head (
    id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    reserved BIGINT NOT NULL,
    clean SMALLINT NOT NULL
);
