SELECT app, user_name, place,
    session, install, began, login_at, count, ended, leaving, live, platform, client_version,
    session_before, flapped_at, kicked_at, flaps, kicks, floor
FROM sessions
WHERE partition = $1
ORDER BY app, user_name, place
