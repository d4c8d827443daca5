-- The fence of a partition's first flush: one row, or another writer was first.
INSERT INTO projection (partition, topic, next, term, at, sealed, serials)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (topic, partition) DO NOTHING
