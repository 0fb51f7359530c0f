-- One row for each entry of a presence list: of our users, and of users elsewhere who
-- observe ours. accepted is 1, or 0 while the observed user has not agreed.
CREATE TABLE presence_lists (
    observer TEXT NOT NULL,
    observed TEXT NOT NULL,
    accepted SMALLINT NOT NULL,
    PRIMARY KEY (observer, observed)
);
