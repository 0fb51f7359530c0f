-- Up to which position each other server has been brought the events of our users.
-- There is a row from the first event on that is for this server.
CREATE TABLE sent_events (
    server_name TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);
