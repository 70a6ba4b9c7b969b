from mmbm.cli import main

main()
