/**
 * The dated calendar that ships with the program, as CSV text: what `<data dir>/calendar.csv` adds
 * to has the same columns and is read by the same parser (`calendar-rows.ts`, where they are
 * explained). It is text in a module because market/ reads no files.
 *
 * Each row names where it comes from; `assumed` marks what is inferred and not announced.
 */
export const CALENDAR_CSV = `date,kind,segment,name,open_ist,close_ist,assumed,source
2024-11-20,rule_change,,"One weekly index option per exchange (NIFTY, SENSEX); others monthly only",,,,NSE/FAOP/64506
2025-01-01,rule_change,bse_fo,BSE F&O normal market,09:15,15:30,,NSE and BSE market timings
2025-01-01,rule_change,cash,Cash market,09:15,15:30,,NSE and BSE market timings
2025-01-01,rule_change,currency,NSE currency derivatives; their own holidays are not listed here,09:00,17:00,yes,NSE market timings
2025-01-01,rule_change,index,"Index dissemination, taken as the F&O session",09:15,15:30,,NSE and BSE market timings
2025-01-01,rule_change,mcx,"MCX non-agricultural futures, US winter time",09:00,23:55,,MCX trade timings
2025-01-01,rule_change,nse_fo,NSE F&O normal market,09:15,15:30,,NSE and BSE market timings
2025-01-01,special_session,mcx,New Year's Day: morning session only,09:00,17:00,yes,As the same holiday is kept in 2026
2025-02-01,special_full_session,,"Union Budget, Saturday",09:15,15:30,,exchange_calendars XBOM
2025-02-01,special_session,mcx,"Union Budget, Saturday",09:00,17:00,,"MCX circular, quoted by livemint.com January 2025"
2025-02-26,holiday,,Mahashivratri,,,,exchange_calendars XBOM
2025-02-26,special_session,mcx,Mahashivratri: evening session,17:00,,yes,As the same holiday is kept in 2026
2025-03-10,rule_change,mcx,US summer time,09:00,23:30,,"MCX circular, quoted by moneycontrol.com March 2025"
2025-03-14,holiday,,Holi,,,,exchange_calendars XBOM
2025-03-14,special_session,mcx,Holi: evening session,17:00,,yes,As the same holiday is kept in 2026
2025-03-31,holiday,,Id-Ul-Fitr,,,,exchange_calendars XBOM
2025-03-31,special_session,mcx,Id-Ul-Fitr: evening session,17:00,,yes,As the same holiday is kept in 2026
2025-04-10,holiday,,Shri Mahavir Jayanti,,,,exchange_calendars XBOM
2025-04-10,special_session,mcx,Shri Mahavir Jayanti: evening session,17:00,,yes,As the same holiday is kept in 2026
2025-04-14,holiday,,Dr Ambedkar Jayanti,,,,exchange_calendars XBOM
2025-04-14,special_session,mcx,Dr Ambedkar Jayanti: evening session,17:00,,yes,As the same holiday is kept in 2026
2025-04-18,holiday,,Good Friday,,,,exchange_calendars XBOM
2025-04-18,holiday,mcx,Good Friday,,,yes,As the same holiday is kept in 2026
2025-05-01,holiday,,Maharashtra Day,,,,exchange_calendars XBOM
2025-05-01,special_session,mcx,Maharashtra Day: evening session,17:00,,yes,As the same holiday is kept in 2026
2025-08-15,holiday,,Independence Day,,,,exchange_calendars XBOM
2025-08-15,holiday,mcx,Independence Day,,,yes,As the same holiday is kept in 2026
2025-08-27,holiday,,Ganesh Chaturthi,,,,exchange_calendars XBOM
2025-08-27,special_session,mcx,Ganesh Chaturthi: evening session,17:00,,yes,As the same holiday is kept in 2026
2025-09-01,rule_change,,"Expiry day: NSE Thu->Tue, BSE Tue->Thu",,,,SEBI/HO/MRD/TPD-1/P/CIR/2025/76; NSE/FAOP/68747
2025-10-02,holiday,,Gandhi Jayanti/Dussehra,,,,exchange_calendars XBOM
2025-10-02,holiday,mcx,Gandhi Jayanti/Dussehra,,,yes,As the same holiday is kept in 2026
2025-10-21,holiday,,Diwali Laxmi Pujan (Muhurat session held),,,,exchange_calendars XBOM
2025-10-21,special_session,,"Muhurat trading (Tuesday, holiday otherwise)",13:45,14:45,,NSE/CMTR/70319
2025-10-21,special_session,mcx,Muhurat trading,13:45,14:45,,"MCX circular, quoted by lokmattimes.com 2025-10-21"
2025-10-22,holiday,,Diwali Balipratipada,,,,exchange_calendars XBOM
2025-10-22,special_session,mcx,Diwali Balipratipada: evening session,17:00,,yes,lokmattimes.com 2025-10-21
2025-11-03,rule_change,mcx,US winter time,09:00,23:55,yes,First Monday after US daylight saving ends
2025-11-05,holiday,,Guru Nanak Jayanti,,,,exchange_calendars XBOM
2025-11-05,special_session,mcx,Guru Nanak Jayanti: evening session,17:00,,yes,As the same holiday is kept in 2026
2025-12-08,rule_change,,F&O pre-open session for futures only 09:00-09:15 begins,,,,NSE/FAOP/69898
2025-12-25,holiday,,Christmas,,,,exchange_calendars XBOM
2025-12-25,holiday,mcx,Christmas,,,yes,As the same holiday is kept in 2026
2026-01-01,special_session,mcx,New Year's Day: morning session only,09:00,17:00,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-01-15,holiday,,Municipal Corporation Election Maharashtra,,,,NSE circular of 12-Jan-2026
2026-01-15,special_session,mcx,Municipal Corporation Election Maharashtra: evening session,17:00,,,newsbytesapp.com 2026-01-14
2026-01-26,holiday,,Republic Day,,,,NSE/FAOP/71777
2026-01-26,holiday,mcx,Republic Day,,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-02-01,special_full_session,,"Union Budget, Sunday",09:15,15:30,,NSE/CMTR/72349
2026-02-01,special_session,mcx,"Union Budget, Sunday",09:00,17:00,,"MCX circular, quoted by angelone.in February 2026"
2026-03-03,holiday,,Holi,,,,NSE/FAOP/71777
2026-03-03,special_session,mcx,Holi: evening session,17:00,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-03-09,rule_change,mcx,US summer time,09:00,23:30,yes,First Monday after US daylight saving begins
2026-03-26,holiday,,Shri Ram Navami,,,,NSE/FAOP/71777
2026-03-26,special_session,mcx,Shri Ram Navami: evening session,17:00,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-03-31,holiday,,Shri Mahavir Jayanti,,,,NSE/FAOP/71777
2026-03-31,special_session,mcx,Shri Mahavir Jayanti: evening session,17:00,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-04-03,holiday,,Good Friday,,,,NSE/FAOP/71777
2026-04-03,holiday,mcx,Good Friday,,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-04-14,holiday,,Dr Ambedkar Jayanti,,,,NSE/FAOP/71777
2026-04-14,special_session,mcx,Dr Ambedkar Jayanti: evening session,17:00,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-05-01,holiday,,Maharashtra Day,,,,NSE/FAOP/71777
2026-05-01,special_session,mcx,Maharashtra Day: evening session,17:00,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-05-28,holiday,,Bakri Id,,,,NSE/FAOP/71777
2026-05-28,special_session,mcx,Bakri Id: evening session,17:00,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-06-26,holiday,,Muharram,,,,NSE/FAOP/71777
2026-06-26,special_session,mcx,Muharram: evening session,17:00,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-08-03,rule_change,bse_fo,F&O normal close moves from 15:30 to 15:40,09:15,15:40,,BSE notice 20260801-2
2026-08-03,rule_change,cash,Continuous trading ends 15:15 for stocks with derivatives; closing auction to 15:35,09:15,15:35,,NSE/CMTR/74466
2026-08-03,rule_change,index,Kept equal to F&O so that index bars exist beside option bars; dissemination after 15:15 is not documented,09:15,15:40,,follows NSE/FAOP/74467
2026-08-03,rule_change,nse_fo,F&O normal close moves from 15:30 to 15:40,09:15,15:40,,NSE/FAOP/74467
2026-09-14,holiday,,Ganesh Chaturthi,,,,NSE/FAOP/71777
2026-09-14,special_session,mcx,Ganesh Chaturthi: evening session,17:00,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-10-02,holiday,,Gandhi Jayanti,,,,NSE/FAOP/71777
2026-10-02,holiday,mcx,Gandhi Jayanti,,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-10-20,holiday,,Dussehra,,,,NSE/FAOP/71777
2026-10-20,special_session,mcx,Dussehra: evening session,17:00,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-11-02,rule_change,mcx,US winter time,09:00,23:55,yes,First Monday after US daylight saving ends
2026-11-08,special_session,,Muhurat trading (Sunday); timings to be notified,,,,NSE/FAOP/71777
2026-11-08,special_session,mcx,Muhurat trading (Sunday); timings to be notified,,,,BSE notice 20251215-5
2026-11-10,holiday,,Diwali Balipratipada,,,,NSE/FAOP/71777
2026-11-10,special_session,mcx,Diwali Balipratipada: evening session,17:00,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-11-24,holiday,,Guru Nanak Jayanti,,,,NSE/FAOP/71777
2026-11-24,special_session,mcx,Guru Nanak Jayanti: evening session,17:00,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2026-12-25,holiday,,Christmas,,,,NSE/FAOP/71777
2026-12-25,holiday,mcx,Christmas,,,,MCX holiday list 2026 (rupeezy.in; news18.com 2025-12-30); BSE notice 20251215-5
2027-03-15,rule_change,mcx,US summer time,09:00,23:30,yes,First Monday after US daylight saving begins
2027-11-08,rule_change,mcx,US winter time,09:00,23:55,yes,First Monday after US daylight saving ends
2029-12-25,holiday,,Christmas,,,,The NIFTY monthly of December 2029 is listed with expiry Mon 2029-12-24
`
