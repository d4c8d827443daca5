-- The fence: one row, or the projection does not stand where the flush begins,
-- or is another table than the one that was loaded: a rebuild has swapped it.
UPDATE projection
SET (next, term, at, sealed, serials) = ($3, $4, $5, $6, $7)
WHERE partition = $1 AND topic = $2 AND next = $8 AND tableoid = $9::oid
