-- A digest of each table's rows in the order of its key, then one of all. A row
-- is taken as text, and equal folds have equal rows; of recent_pushes the push
-- ids that are known are taken, since how they lie in rows depends on when they
-- were flushed.
WITH
floors AS (
    SELECT r.partition, f.user_key, max(f.floor) AS floor
    FROM recent_pushes r CROSS JOIN unnest(r.floor_users, r.floors) AS f(user_key, floor)
    GROUP BY 1, 2
),
known AS (
    SELECT r.partition, i.user_key, i.position, i.push_id, i.digest, i.at
    FROM recent_pushes r CROSS JOIN unnest(r.users, r.push_ids, r.positions, r.digests, r.times) AS i(user_key, push_id, position, digest, at)
    LEFT JOIN floors f ON f.partition = r.partition AND f.user_key = i.user_key
    WHERE i.position >= coalesce(f.floor, 0)
),
digests(name, digest) AS (
    SELECT 'devices', md5(string_agg(md5(t::text), '' ORDER BY partition, app, user_name, place)) FROM devices t
    UNION ALL
    SELECT 'sessions', md5(string_agg(md5(t::text), '' ORDER BY partition, app, user_name, place)) FROM sessions t
    UNION ALL
    SELECT 'routes', md5(string_agg(md5(t::text), '' ORDER BY partition, app, user_name, place)) FROM routes t
    UNION ALL
    SELECT 'closing', md5(string_agg(md5(t::text), '' ORDER BY partition, app, user_name, place)) FROM closing t
    UNION ALL
    SELECT 'pending_pushes', md5(string_agg(md5(t::text), '' ORDER BY partition, app, user_name, position)) FROM pending_pushes t
    UNION ALL
    SELECT 'debts', md5(string_agg(md5(t::text), '' ORDER BY partition, app, user_name, position, place)) FROM debts t
    UNION ALL
    SELECT 'waiting_pushes', md5(string_agg(md5(t::text), '' ORDER BY partition, app, user_name, position)) FROM waiting_pushes t
    UNION ALL
    SELECT 'tombstones', md5(string_agg(md5(t::text), '' ORDER BY partition, app, user_name, place)) FROM tombstones t
    UNION ALL
    SELECT 'projection', md5(string_agg(md5(t::text), '' ORDER BY topic, partition)) FROM projection t
    UNION ALL
    SELECT 'recent_pushes', md5(string_agg(md5(t::text), '' ORDER BY partition, user_key, position)) FROM known t
)
SELECT md5(string_agg(name || ' ' || coalesce(digest, 'empty'), ', ' ORDER BY name)) FROM digests
