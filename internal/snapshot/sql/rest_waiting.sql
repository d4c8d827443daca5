SELECT app, user_name, min(due)
FROM waiting_pushes
WHERE partition = $1
GROUP BY app, user_name
