SELECT partition, next, term
FROM projection
WHERE topic = $1
