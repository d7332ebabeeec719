;; Traps in a function whose name clears the terminal and sets its title.
(component
  (core module $m
    (func $"\1b[2J\1b]0;owned\07\u{202e}" (export "attack") (unreachable)))
  (core instance $i (instantiate $m))
  (func (export "attack") (canon lift (core func $i "attack"))))
