-- Every event, in the order of this server's stream. pdu is the event as it is signed,
-- as JSON; a redaction replaces it. device_id and txn_id name the request of a client
-- that sent it, and are null for all other events.
CREATE TABLE room_events (
    position BIGINT NOT NULL PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
    room_id TEXT NOT NULL,
    pdu TEXT NOT NULL,
    device_id TEXT,
    txn_id TEXT
);

-- event_id is the member event that was current when the room was forgotten: a later
-- one brings the room back.
CREATE TABLE rooms_forgotten (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (user_id, room_id)
);

CREATE TABLE room_aliases (
    alias TEXT NOT NULL PRIMARY KEY,
    room_id TEXT NOT NULL,
    creator TEXT NOT NULL
);

CREATE TABLE rooms_published (
    room_id TEXT NOT NULL PRIMARY KEY
);

-- thread_id is empty for a receipt that belongs to no thread. ts is epoch milliseconds.
CREATE TABLE room_receipts (
    room_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    receipt_type TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    ts BIGINT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (room_id, user_id, receipt_type, thread_id)
);
