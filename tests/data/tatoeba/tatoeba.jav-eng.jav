Kuncine ning endi?
Aku ora kesel.
Banyune adhem.
Dheweke duwe sedulur lanang telu.
Tulung tutupen cendhelane!
Sesuk kita arep menyang pasar.
Umurmu pira?
