-- A single row: the server whose accounts and rooms these are.
CREATE TABLE identity (
    id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
    server_name TEXT NOT NULL
);
