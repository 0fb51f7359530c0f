-- One row for each other server that is not simply up to date: it fails, something is
-- owed to it, or it wants no presence for now. Times are epoch milliseconds, 0 for
-- never. owed is 0 or 1.
CREATE TABLE presence_destinations (
    server_name TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    failing_since BIGINT NOT NULL,
    retry_ts BIGINT NOT NULL,
    owed SMALLINT NOT NULL,
    unwanted_until BIGINT NOT NULL
);
