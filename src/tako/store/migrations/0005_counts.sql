-- How many runs have come to rest in each state: people look at these numbers all the time, and
-- counting a million rows takes a second. Runs that are on their way are few, and counted.

CREATE TABLE run_counts (
  workflow TEXT NOT NULL,
  state TEXT NOT NULL,
  runs INTEGER NOT NULL,
  PRIMARY KEY (workflow, state)
) WITHOUT ROWID;

INSERT INTO run_counts
SELECT workflow, state, count(*) FROM runs
WHERE state NOT IN ('pending', 'running') GROUP BY workflow, state;

-- Two names each: SQLite makes a table of three in an IN, for every row.
CREATE TRIGGER run_comes_to_rest AFTER UPDATE OF state ON runs
WHEN new.state NOT IN ('pending', 'running')
BEGIN
  INSERT INTO run_counts VALUES (new.workflow, new.state, 1)
  ON CONFLICT DO UPDATE SET runs = runs + 1;
END;

CREATE TRIGGER run_goes_on AFTER UPDATE OF state ON runs
WHEN old.state NOT IN ('pending', 'running')
BEGIN
  UPDATE run_counts SET runs = runs - 1 WHERE workflow = old.workflow AND state = old.state;
END;
