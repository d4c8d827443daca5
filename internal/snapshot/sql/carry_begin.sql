-- A place before the first record of the next epoch.
INSERT INTO projection (topic, partition, next, term, at, sealed, serials)
SELECT $1, n, 0, 0, $3, false, $4 FROM generate_series(0, $2 - 1) AS n
