-- 0 in the timeline, 1 known because others rest on it, 2 soft-failed, 3 rejected.
ALTER TABLE room_events ADD COLUMN standing INTEGER NOT NULL DEFAULT 0;

-- Where the state before an event does not follow from the events before it: position is
-- that of the event, state the ids of the state events, as JSON.
CREATE TABLE room_entries (
    position BIGINT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL
);

-- The newest member event of a user of ours in a room that this server is not in. pdu is
-- the event, room_state what its sender told of the room, both as JSON.
CREATE TABLE rooms_outside (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    pdu TEXT NOT NULL,
    room_version TEXT NOT NULL,
    room_state TEXT NOT NULL,
    PRIMARY KEY (user_id, room_id)
);
