"""THE SERVICE: ports, hosts, routes, controls and kept state. Imports all the other rooms."""
