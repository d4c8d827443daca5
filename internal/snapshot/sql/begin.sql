-- The fence of a partition's first flush: one row, or another writer was first.
-- A row that stands at 0 is of a next epoch, and was carried over.
INSERT INTO projection (partition, topic, next, term, at, sealed, serials)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (topic, partition) DO UPDATE SET
    (next, term, at, sealed, serials) = (excluded.next, excluded.term, excluded.at, excluded.sealed, excluded.serials)
WHERE projection.next = 0
