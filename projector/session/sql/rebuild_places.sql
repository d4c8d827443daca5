SELECT partition, next, term, sealed
FROM projection
WHERE topic = $1
