SELECT topic, partition, next, at, term
FROM projection
ORDER BY topic, partition
