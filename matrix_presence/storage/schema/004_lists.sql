-- wanted is 0 while the observer's server does not want to hear of an accepted entry.
-- untold is 1 while another server does not know what the entry is now; accepted is -1
-- if there is none any more. asked_ts is since when the observed user is asked, epoch
-- milliseconds, 0 where they are not.
ALTER TABLE presence_lists ADD COLUMN wanted SMALLINT NOT NULL DEFAULT 1;
ALTER TABLE presence_lists ADD COLUMN untold SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE presence_lists ADD COLUMN asked_ts BIGINT NOT NULL DEFAULT 0;

-- Servers that have sent what only servers of the first releases send.
CREATE TABLE presence_old_servers (
    server_name TEXT NOT NULL PRIMARY KEY
);
