-- How many partitions a topic has here, how many have ended, and the newest time.
SELECT count(*), count(*) FILTER (WHERE sealed), coalesce(max(at), 0)
FROM projection
WHERE topic = $1
