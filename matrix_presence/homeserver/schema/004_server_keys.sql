-- The newest document of keys of each other server, as it signed it, as JSON.
-- fetched_ts is epoch ms: a document counts for a week at most from then on.
CREATE TABLE server_keys (
    server_name TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    fetched_ts BIGINT NOT NULL
);
