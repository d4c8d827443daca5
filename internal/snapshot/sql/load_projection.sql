SELECT next, term, at, sealed, serials
FROM projection
WHERE partition = $1 AND topic = $2
