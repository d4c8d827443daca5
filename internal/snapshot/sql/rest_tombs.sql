SELECT app, user_name, count(*)
FROM tombstones
WHERE partition = $1
GROUP BY app, user_name
