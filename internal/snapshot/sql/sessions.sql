-- Logins, resumes and ends.
INSERT INTO sessions AS t (partition, app, user_name, place, session, install, began, login_at, count, ended,
        leaving, live, platform, client_version,
        session_before, flapped_at, kicked_at, flaps, kicks, floor)
SELECT $1::integer, n.*
FROM unnest($2::text[], $3::text[], $4::integer[], $5::uuid[], $6::uuid[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::integer[], $11::integer[], $12::boolean[], $13::text[],
        $14::text[], $15::uuid[], $16::bigint[], $17::bigint[], $18::integer[], $19::integer[],
        $20::bigint[])
    AS n(app, user_name, place, session, install, began, login_at, count, ended, leaving,
        live, platform, client_version,
        session_before, flapped_at, kicked_at, flaps, kicks, floor)
ON CONFLICT (partition, app, user_name, place) DO UPDATE SET
    (session, install, began, login_at, count, ended, leaving, live, platform, client_version,
        session_before, flapped_at, kicked_at, flaps, kicks, floor) =
    (excluded.session, excluded.install, excluded.began, excluded.login_at, excluded.count,
        excluded.ended, excluded.leaving, excluded.live, excluded.platform, excluded.client_version,
        excluded.session_before, excluded.flapped_at, excluded.kicked_at, excluded.flaps, excluded.kicks, excluded.floor)
