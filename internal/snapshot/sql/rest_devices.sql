-- Since when the device is away that was heard of longest ago. One whose session
-- has ended counts as well: somebody looks too early then, once.
SELECT app, user_name, min(progress)
FROM devices
WHERE partition = $1
GROUP BY app, user_name
