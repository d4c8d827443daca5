SELECT app, user_name, place,
    cursor, received, progress, uplink_mark, gap_from, gap_to, resumed, device
FROM devices
WHERE partition = $1
ORDER BY app, user_name, place
